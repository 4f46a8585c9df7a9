#include "upstream/challenge_memory.h"

#include <algorithm>

#include "ociproxy/upstream/challenge.h"
#include "upstream/strict_response.h"
#include "upstream/url.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxEntries = 1024;

ChallengeMemory::Demand demandOf(const std::vector<Challenge>& challenges, const Url& url) {
    ChallengeMemory::Demand demand;
    const std::optional<Challenge> bearer = bearerChallenge(challenges);
    if (!bearer) return demand;
    const std::optional<Url> realm = resolveUrl(url, *bearer->parameter("realm"));
    if (!realm) return demand;
    demand.bearer = true;
    demand.realm = realm->text();
    if (const std::string* service = bearer->parameter("service")) demand.service = *service;
    return demand;
}

}  // namespace

void ChallengeMemory::learn(const std::string& upstreamId, const Url& url,
                            const ResponseHead& head, bool tokenSent) {
    const std::vector<Challenge> challenges = parseChallenges(head.all("WWW-Authenticate"));
    if (challenges.empty()) return;
    Demand demand = demandOf(challenges, url);
    std::lock_guard<std::mutex> lock(mutex_);
    if (tokenSent && entries_.count(upstreamId) != 0) return;
    entries_[upstreamId] = Entry{std::move(demand), ++count_};
    if (entries_.size() > kMaxEntries) dropOldest();
}

std::optional<ChallengeMemory::Demand> ChallengeMemory::find(const std::string& upstreamId) const {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = entries_.find(upstreamId);
    if (found == entries_.end()) return std::nullopt;
    return found->second.demand;
}

void ChallengeMemory::dropOldest() {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) {
                                        return a.second.learned < b.second.learned;
                                    }));
}

}  // namespace ociproxy
