#ifndef OCIPROXY_SRC_PROXY_PASS_THROUGH_H
#define OCIPROXY_SRC_PROXY_PASS_THROUGH_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ociproxy/base/fd.h"
#include "proxy/byte_pipe.h"
#include "proxy/download.h"
#include "proxy/hold_back.h"
#include "proxy/work_context.h"

namespace ociproxy {

// Content from the upstream to one request, past the store; never joined. That it asks the
// upstream itself is the permission. Nothing is claimed and nothing kept. What has a digest
// that we can compute is hashed on the way, its last bytes held back until that is right;
// what is short comes with its verdict as bytes, so that a mismatch is a 502. A range is
// not verified.
class PassThrough : public Work {
public:
    PassThrough(const WorkOrder& order, const Target& target, WorkContext* context);
    void run() noexcept override;

private:
    struct Opening {
        std::string bytes;
        bool ended = false;
    };

    void pass(WorkResult* result);
    void head(WorkResult* result);
    void manifest(Download* download, WorkResult* result);
    void blob(Download* download, WorkResult* result);
    bool isVerified() const { return order_.digest && !order_.isPart(); }
    bool isShort(const Download& download) const;
    Opening gather(Download* download) const;
    void stream(Download* download, HoldBack* content, const std::string& begun, Passed passed,
                WorkResult* result);
    bool isBeyond(const UpstreamResponse& response, WorkResult* result) const;
    void refused(const UpstreamResponse& response, WorkResult* result);
    void mismatch(WorkResult* result);
    Passed described(const Download& download) const;

    WorkContext& context_;
    const Target target_;
    const WorkOrder order_;
    std::shared_ptr<BytePipe> pipe_;
};

// The rest of a body whose file was forsaken: hashes what the client has had from the file,
// fetches from there on and goes on into the pipe. Belongs to no session. If it never runs,
// the pipe is broken.
class Continuation : public Work {
public:
    struct Part {
        std::shared_ptr<const Fd> file;  // its first `offset` bytes are good
        std::uint64_t offset = 0;
        std::optional<std::uint64_t> end;    // nullopt: of all
        std::optional<std::uint64_t> total;  // of the content
        // Whether bytes are to come out to the end of the content, and the file has all
        // before: then the digest is verified.
        bool verify = true;
    };

    Continuation(const Digest& digest, Part part, std::shared_ptr<BytePipe> pipe,
                 const Target& target, WorkContext* context);
    ~Continuation() override;
    void run() noexcept override;

private:
    void hashPrefix(HoldBack* content) const;

    WorkContext& context_;
    const Target target_;
    const Digest digest_;
    const Part part_;
    std::shared_ptr<BytePipe> pipe_;
};

}  // namespace ociproxy

#endif
