#ifndef OCIPROXY_SRC_UPSTREAM_TOKEN_FETCHER_H
#define OCIPROXY_SRC_UPSTREAM_TOKEN_FETCHER_H

#include <cstdint>
#include <string>

#include "ociproxy/base/clock.h"
#include "upstream/challenge_memory.h"

namespace ociproxy {

class Counters;
class Journey;
class TokenBoard;
struct JourneyEnd;
struct Upstream;

// Asks realms for anonymous pull tokens and puts them on the board,
// with a life a little shorter than granted (4.7). Any thread.
class TokenFetcher {
public:
    TokenFetcher(TokenBoard* board, Counters* counters, Journey* journey)
        : board_(*board), counters_(*counters), journey_(*journey) {}

    // REQUIRES: demand.bearer. Throws UpstreamError: kTokenDenied when the realm says
    // 401 or 403, kTokenUnavailable for anything else that is no token, and those of a
    // hop.
    void fetch(const Upstream& upstream, const std::string& repository,
               const ChallengeMemory::Demand& demand, TimePoint deadline);

    // How long a token that lives `lifetime` seconds is used: one that ends while it is
    // on its way is of no use.
    static std::int64_t usableSeconds(std::int64_t lifetime) noexcept;

private:
    TokenBoard& board_;
    Counters& counters_;
    Journey& journey_;
};

}  // namespace ociproxy

#endif
