#ifndef OCIPROXY_UPSTREAM_CHALLENGE_H
#define OCIPROXY_UPSTREAM_CHALLENGE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ociproxy {

// One challenge of a WWW-Authenticate field (RFC 9110 11.3). A plain value.
struct Challenge {
    std::string scheme;  // lower case
    std::vector<std::pair<std::string, std::string>> parameters;  // names lower case

    // The first value of a parameter, or nullptr.
    const std::string* parameter(std::string_view name) const noexcept;
};

// All challenges of all fields, leniently: a bad one does not hide the others. Caps:
// 8 KiB per field, 16 challenges, 32 parameters.
std::vector<Challenge> parseChallenges(const std::vector<std::string>& fields);

// The first usable bearer challenge (it has a realm), if any.
std::optional<Challenge> bearerChallenge(const std::vector<Challenge>& challenges);

// What a token endpoint's 200 says: nullopt when it is no JSON
// object or has no token that may stand in a header. Seconds: 60 when missing, not
// a number, or below 60; at most 86,400.
struct TokenGrant {
    std::string token;
    std::int64_t lifetimeSeconds = 60;
};
std::optional<TokenGrant> parseTokenGrant(std::string_view body);

// The realm with service and scope appended to the query it already has:
// no service parameter when the challenge names none.
std::string tokenUrl(const std::string& realm, const std::string* service,
                     const std::string& scope);

}  // namespace ociproxy

#endif
