#ifndef OCIPROXY_SRC_UPSTREAM_CHALLENGE_MEMORY_H
#define OCIPROXY_SRC_UPSTREAM_CHALLENGE_MEMORY_H

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace ociproxy {

struct ResponseHead;
struct Url;

// What upstreams have asked for with 401. Kept is the challenge of the last request that
// carried no token: with a bad token some registries name another realm, or none.
// Bounded; any thread.
class ChallengeMemory {
public:
    struct Demand {
        bool bearer = false;  // else nothing that can be met
        std::string realm;    // absolute
        std::string service;  // may be empty
    };

    // A 401 of the upstream's own origin to a request for `url`. An answer without
    // any challenge changes nothing.
    void learn(const std::string& upstreamId, const Url& url, const ResponseHead& head,
               bool tokenSent);
    std::optional<Demand> find(const std::string& upstreamId) const;

private:
    struct Entry {
        Demand demand;
        std::uint64_t learned = 0;
    };

    void dropOldest();

    mutable std::mutex mutex_;
    std::map<std::string, Entry> entries_;
    std::uint64_t count_ = 0;
};

}  // namespace ociproxy

#endif
