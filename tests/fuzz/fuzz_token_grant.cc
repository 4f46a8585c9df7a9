// Answers of token servers.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/challenge.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(token_grant) {
    const std::optional<TokenGrant> grant = parseTokenGrant(input);
    if (!grant) return;
    FUZZ_CHECK(!grant->token.empty() && grant->token.size() <= 16 * 1024);
    FUZZ_CHECK(isPrintable(grant->token) && grant->token.find(' ') == std::string::npos);
    FUZZ_CHECK(grant->lifetimeSeconds >= 60 && grant->lifetimeSeconds <= 86'400);
    const std::optional<TokenGrant> again = parseTokenGrant(
        cat(R"({"token":")", jsonEscape(grant->token), R"(","expires_in":)",
            grant->lifetimeSeconds, "}"));
    FUZZ_CHECK(again && again->token == grant->token);
    FUZZ_CHECK(again->lifetimeSeconds == grant->lifetimeSeconds);
}

}  // namespace ociproxy::fuzz
