#include "upstream/journey.h"

#include <algorithm>
#include <optional>
#include <set>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxRedirects = 10;

bool isRedirect(int status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

[[noreturn]] void notFollowed(const HopRequest& hop, const std::string& cause) {
    throw UpstreamError(UpstreamFailure::kRedirect, hop.describe(cause));
}

Url targetOf(const HopRequest& hop, const ResponseHead& head) {
    const std::string* location = head.field("Location");
    if (location == nullptr || location->empty()) notFollowed(hop, "redirect without Location");
    const std::optional<Url> target = resolveUrl(hop.url, *location);
    if (!target) notFollowed(hop, cat("redirect to an unusable URL: ", redactUrl(*location)));
    return *target;
}

void checkAdmitted(const HopRequest& hop) {
    std::string why;
    if (admitsHopFor(hop.purpose, *hop.upstream, hop.url.origin, &why)) return;
    throw UpstreamError(UpstreamFailure::kAddressProhibited, hop.describe("prohibited: " + why));
}

// From https to http, where the upstream speaks https only.
bool isDowngrade(const HopRequest& hop, const Url& target) {
    const std::vector<Origin>& origins = hop.upstream->origins;
    return hop.url.origin.tls && !target.origin.tls &&
           std::all_of(origins.begin(), origins.end(),
                       [](const Origin& origin) { return origin.tls; });
}

HopRequest firstHop(const JourneyRequest& request, const Url& start) {
    HopRequest hop;
    hop.purpose = request.purpose;
    hop.upstream = request.upstream;
    hop.method = request.method;
    hop.url = start;
    hop.fields = request.fields;
    hop.deadline = request.deadline;
    if (!request.token.empty()) hop.fields.push_back({"Authorization", "Bearer " + request.token});
    return hop;
}

}  // namespace

JourneyEnd Journey::travel(const JourneyRequest& request, const Url& start) {
    JourneyEnd end;
    end.request = firstHop(request, start);
    end.atHome = true;
    end.tokenSent = !request.token.empty();
    end.publicAddress = true;
    HopRequest& hop = end.request;
    std::set<std::string> visited;
    for (;;) {
        if (!visited.insert(hop.url.text()).second) notFollowed(hop, "redirect loop");
        end.answer = visit(hop, visited.size() == 1);
        end.publicAddress = end.publicAddress && end.answer.publicAddress;
        if (!isRedirect(end.answer.head.status)) return end;
        if (visited.size() > kMaxRedirects) notFollowed(hop, "too many redirects");
        Url target = targetOf(hop, end.answer.head);
        if (isDowngrade(hop, target)) notFollowed(hop, "redirect from https to http");
        end.answer.body->drain(request.deadline);
        if (!(target.origin == hop.url.origin)) {
            end.atHome = false;
            end.tokenSent = false;
            hop.fields = request.fields;
        }
        hop.url = std::move(target);
    }
}

HopAnswer Journey::visit(const HopRequest& hop, bool first) {
    checkAdmitted(hop);
    try {
        return sender_.send(hop);
    } catch (const ConnectFailure& e) {
        if (first) throw;
        throw UpstreamError(e.failure(), e.what());
    }
}

}  // namespace ociproxy
