// WWW-Authenticate fields, a line each.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/challenge.h"

namespace ociproxy::fuzz {
namespace {

constexpr std::size_t kLongestField = 8 * 1024;

std::string quoted(const std::string& value) {
    std::string out = "\"";
    for (char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string written(const Challenge& challenge) {
    std::string text = challenge.scheme;
    const char* before = " ";
    for (const std::pair<std::string, std::string>& entry : challenge.parameters) {
        text += cat(before, entry.first, "=", quoted(entry.second));
        before = ", ";
    }
    return text;
}

void checkChallenge(const Challenge& challenge) {
    FUZZ_CHECK(isToken(challenge.scheme) && challenge.scheme == lower(challenge.scheme));
    FUZZ_CHECK(challenge.parameters.size() <= 32);
    for (const std::pair<std::string, std::string>& entry : challenge.parameters) {
        FUZZ_CHECK(isToken(entry.first) && entry.first == lower(entry.first));
        FUZZ_CHECK(challenge.parameter(entry.first) != nullptr);
    }
    const std::string text = written(challenge);
    if (text.size() > kLongestField) return;
    const std::vector<Challenge> again = parseChallenges({text});
    FUZZ_CHECK(again.size() == 1 && again[0].scheme == challenge.scheme);
    FUZZ_CHECK(again[0].parameters == challenge.parameters);
}

// The scope cannot get out of its parameter, whatever realm and service are.
void checkUrl(const Challenge& bearer) {
    const std::string* realm = bearer.parameter("realm");
    FUZZ_CHECK(realm != nullptr && !realm->empty());
    const std::string url = tokenUrl(*realm, bearer.parameter("service"), "repository:a b&c#d:pull");
    FUZZ_CHECK(endsWith(url, "scope=repository:a%20b%26c%23d:pull"));
    FUZZ_CHECK(url.find('#') == std::string::npos && url.find('?') != std::string::npos);
}

}  // namespace

FUZZ_TARGET(challenge) {
    std::vector<std::string> fields;
    while (!input.empty()) fields.emplace_back(takeLine(&input));
    const std::vector<Challenge> challenges = parseChallenges(fields);
    FUZZ_CHECK(challenges.size() <= 16);
    for (const Challenge& challenge : challenges) checkChallenge(challenge);
    if (const std::optional<Challenge> bearer = bearerChallenge(challenges)) checkUrl(*bearer);
}

}  // namespace ociproxy::fuzz
