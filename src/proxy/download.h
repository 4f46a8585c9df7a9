#ifndef OCIPROXY_SRC_PROXY_DOWNLOAD_H
#define OCIPROXY_SRC_PROXY_DOWNLOAD_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ociproxy/upstream/client.h"
#include "proxy/target.h"

namespace ociproxy {

struct WorkContext;

// Content, or a part of it, from an upstream in one piece: an exchange that breaks is
// followed by others that go on where it ended, a few times and with growing pauses. Every
// answer must fit the first: the same total, the very range that was asked for; an upstream
// that sends the whole instead has what is not wanted thrown away. One thread.
class Download {
public:
    struct Wanted {
        std::string reference;
        std::string accept;
        std::uint64_t first = 0;            // bytes of the content that come before are not wanted
        std::optional<std::uint64_t> last;  // included; nullopt: to the end
        std::optional<std::uint64_t> total; // what the content must be long, if that is known
    };

    Download(WorkContext* context, const Target& target, const Wanted& wanted);

    // The first exchange, with whatever token there is. False: the upstream did not say 200
    // or 206, see response(). Throws UpstreamError, also for an answer that does not fit.
    bool open();
    // As open(), but a 401 is answered with a token that is fetched on this thread.
    bool openAlone();
    UpstreamResponse& response() const noexcept { return *response_; }
    // Of the content, as far as the upstream has said.
    std::optional<std::uint64_t> total() const noexcept { return total_; }
    // How many bytes read() will give in all; nullopt: to an end that is not known.
    std::optional<std::uint64_t> length() const noexcept;

    // As UpstreamResponse::read(). REQUIRES: opened.
    std::size_t read(char* buffer, std::size_t size);

private:
    std::size_t readOnce(char* buffer, std::size_t size);
    bool accept();
    void acceptPart();
    void mustBeLong(std::uint64_t total);
    bool mayRetry();
    bool reopen();
    bool authenticate();

    WorkContext& context_;
    const Target& target_;
    const Wanted wanted_;
    std::unique_ptr<UpstreamResponse> response_;
    std::optional<std::uint64_t> total_;
    std::uint64_t position_;        // of the next byte that read() gives
    std::uint64_t skip_ = 0;        // bytes of this exchange that are not wanted
    std::uint64_t triedAt_ = 0;     // position of the last try
    unsigned idleTries_ = 0;
    unsigned authentications_ = 0;
};

}  // namespace ociproxy

#endif
