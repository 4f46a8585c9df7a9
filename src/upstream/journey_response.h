#ifndef OCIPROXY_SRC_UPSTREAM_JOURNEY_RESPONSE_H
#define OCIPROXY_SRC_UPSTREAM_JOURNEY_RESPONSE_H

#include "upstream/journey.h"

namespace ociproxy {

// The end of a journey as callers see it. Keeps the upstream alive, if it is given one,
// for the text of errors. One thread.
class JourneyResponse : public UpstreamResponse {
public:
    JourneyResponse(JourneyEnd end, UpstreamPtr upstream);

    int status() const noexcept override { return end_.answer.head.status; }
    const std::string* header(std::string_view name) const noexcept override {
        return end_.answer.head.field(name);
    }
    std::optional<std::uint64_t> contentLength() const noexcept override;
    std::size_t read(char* buffer, std::size_t size) override;
    std::string readAll(std::size_t limit) override;
    bool fromPublicAddress() const noexcept override { return end_.publicAddress; }
    bool tokenSent() const noexcept override { return end_.tokenSent; }

private:
    [[noreturn]] void tooLarge(std::size_t limit) const;

    const UpstreamPtr upstream_;
    JourneyEnd end_;
};

}  // namespace ociproxy

#endif
