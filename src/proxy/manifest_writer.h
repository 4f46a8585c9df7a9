#ifndef OCIPROXY_SRC_PROXY_MANIFEST_WRITER_H
#define OCIPROXY_SRC_PROXY_MANIFEST_WRITER_H

#include <cstdint>
#include <optional>
#include <string>

#include "ociproxy/base/digest.h"
#include "proxy/failure_map.h"
#include "proxy/work_context.h"

namespace ociproxy {

// Longest manifest that is fetched, in bytes.
constexpr std::size_t kMaxManifest = 4 * 1024 * 1024;

// Reads a manifest from an upstream's 200, checks it and stores it byte for byte,
// with its link. One thread, one manifest.
class ManifestWriter {
public:
    ManifestWriter(WorkContext* context, const Target& target)
        : context_(*context), target_(target) {}

    // `expected` nullopt: the digest is computed, and must agree with the response's
    // Docker-Content-Digest if that is of an algorithm that we know. Throws
    // UpstreamError. nullopt: stored. kStore, kNoRoom: it is good, see passed().
    std::optional<FillFailure> store(UpstreamResponse& response,
                                     const std::optional<Digest>& expected,
                                     std::uint64_t lineage);
    // The same without the disk: nullopt means that it may be served.
    std::optional<FillFailure> take(UpstreamResponse& response,
                                    const std::optional<Digest>& expected);
    // What was taken, for a reply past the store.
    Passed passed(PassReason reason) const;

    // Of what was taken.
    const std::optional<Digest>& digest() const noexcept { return digest_; }
    const std::string& mediaType() const noexcept { return mediaType_; }
    std::uint64_t size() const noexcept { return body_.size(); }

private:
    bool digestAgrees(const std::string* field, const std::optional<Digest>& expected,
                      const std::string& body);
    void commit(std::uint64_t lineage);

    WorkContext& context_;
    const Target& target_;
    std::optional<Digest> digest_;
    std::string mediaType_;
    std::string body_;
    bool isPublic_ = false;
};

}  // namespace ociproxy

#endif
