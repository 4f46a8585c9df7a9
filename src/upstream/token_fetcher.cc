#include "upstream/token_fetcher.h"

#include <algorithm>
#include <optional>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/token_board.h"
#include "ociproxy/upstream/challenge.h"
#include "upstream/journey.h"
#include "upstream/journey_response.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxAnswer = 128 * 1024;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

Url urlOf(const Upstream& upstream, const std::string& repository,
          const ChallengeMemory::Demand& demand) {
    const std::string scope = cat("repository:", repository, ":pull");
    const std::optional<Url> url = parseUrl(tokenUrl(demand.realm, &demand.service, scope));
    if (url) return *url;
    throw UpstreamError(UpstreamFailure::kTokenUnavailable,
                        cat(upstream.name, ": unusable realm ", redactUrl(demand.realm)));
}

void checkStatus(const JourneyEnd& end) {
    const int status = end.answer.head.status;
    if (status == 200) return;
    const bool denied = status == 401 || status == 403;
    throw UpstreamError(
        denied ? UpstreamFailure::kTokenDenied : UpstreamFailure::kTokenUnavailable,
        end.request.describe(cat("the token server answered ", status)));
}

std::string readAnswer(JourneyEnd end) {
    JourneyResponse response(std::move(end), nullptr);
    try {
        return response.readAll(kMaxAnswer);
    } catch (const UpstreamError& e) {
        if (e.failure() != UpstreamFailure::kBodyTooLarge) throw;
        throw UpstreamError(UpstreamFailure::kTokenUnavailable, e.what());
    }
}

}  // namespace

std::int64_t TokenFetcher::usableSeconds(std::int64_t lifetime) noexcept {
    return lifetime - std::max<std::int64_t>(5, std::min<std::int64_t>(30, lifetime / 10));
}

void TokenFetcher::fetch(const Upstream& upstream, const std::string& repository,
                         const ChallengeMemory::Demand& demand, TimePoint deadline) {
    JourneyRequest request;
    request.purpose = HopPurpose::kToken;
    request.upstream = &upstream;
    request.deadline = deadline;
    const std::int64_t asked = monotonicNs();
    JourneyEnd end = journey_.travel(request, urlOf(upstream, repository, demand));
    checkStatus(end);
    const HopRequest last = end.request;
    const std::optional<TokenGrant> grant = parseTokenGrant(readAnswer(std::move(end)));
    if (!grant) {
        throw UpstreamError(UpstreamFailure::kTokenUnavailable,
                            last.describe("the token server's answer has no usable token"));
    }
    counters_.add(Counter::kTokensFetched);
    const Sha256 key = sha256Of(UpstreamClient::tokenName(upstream, repository));
    const std::int64_t notAfter = asked + usableSeconds(grant->lifetimeSeconds) * kNsPerSecond;
    if (!board_.put(key, grant->token, notAfter)) {
        throw UpstreamError(UpstreamFailure::kTokenUnavailable,
                            last.describe("the token cannot be kept"));
    }
}

}  // namespace ociproxy
