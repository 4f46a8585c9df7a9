#ifndef OCIPROXY_SRC_UPSTREAM_JOURNEY_H
#define OCIPROXY_SRC_UPSTREAM_JOURNEY_H

#include <memory>
#include <string>
#include <vector>

#include "upstream/hop_sender.h"

namespace ociproxy {

// What is asked for, whatever the number of hops to it.
struct JourneyRequest {
    HopPurpose purpose = HopPurpose::kContent;
    const Upstream* upstream = nullptr;
    UpstreamMethod method = UpstreamMethod::kGet;
    std::vector<ResponseHead::Field> fields;  // for every hop
    std::string token;                        // for the first origin only; may be empty
    TimePoint deadline;                       // until the head of the last answer
};

struct JourneyEnd {
    HopAnswer answer;
    HopRequest request;          // the last one
    bool atHome = false;         // no hop has left the first origin
    bool tokenSent = false;      // with the last request
    bool publicAddress = false;  // at every hop
};

// Follows redirects (RFC 9110 15.4): 301, 302, 303, 307 and 308, at
// most 10, no URL twice, every target through the address guard before its name is
// resolved. Once the origin changes no Authorization is sent any more. Any thread.
class Journey {
public:
    explicit Journey(HopSender* sender) : sender_(*sender) {}

    // Throws UpstreamError; ConnectFailure only when the first origin cannot be reached.
    JourneyEnd travel(const JourneyRequest& request, const Url& start);

private:
    HopAnswer visit(const HopRequest& hop, bool first);

    HopSender& sender_;
};

}  // namespace ociproxy

#endif
