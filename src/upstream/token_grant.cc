// The token endpoint's half of ociproxy/upstream/challenge.h: what is asked and what
// comes back.
#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "ociproxy/base/text.h"
#include "ociproxy/upstream/challenge.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxToken = 16 * 1024;
constexpr std::int64_t kMinLifetime = 60;
constexpr std::int64_t kMaxLifetime = 86'400;
constexpr int kMaxDepth = 16;

bool isUsableToken(const std::string& token) noexcept {
    return !token.empty() && token.size() <= kMaxToken && isPrintable(token) &&
           token.find(' ') == std::string::npos;
}

std::string stringMember(const Poco::JSON::Object& object, const char* name) {
    const Poco::Dynamic::Var value = object.get(name);
    return value.isString() ? value.extract<std::string>() : std::string();
}

// Numbers are also accepted as strings and with a fraction.
std::int64_t lifetimeOf(const Poco::JSON::Object& object) {
    const Poco::Dynamic::Var value = object.get("expires_in");
    if (value.isEmpty() || value.isBoolean() || !(value.isNumeric() || value.isString())) {
        return kMinLifetime;
    }
    double seconds = 0;
    try {
        seconds = value.convert<double>();
    } catch (const Poco::Exception&) {
        return kMinLifetime;
    }
    // Written so that a NaN takes the first branch.
    if (!(seconds >= static_cast<double>(kMinLifetime))) return kMinLifetime;
    if (seconds > static_cast<double>(kMaxLifetime)) return kMaxLifetime;
    return static_cast<std::int64_t>(seconds);
}

std::optional<TokenGrant> grantOf(std::string_view body) {
    Poco::JSON::Parser parser;
    parser.setDepth(kMaxDepth);
    const Poco::Dynamic::Var root = parser.parse(std::string(body));
    if (root.type() != typeid(Poco::JSON::Object::Ptr)) return std::nullopt;
    const Poco::JSON::Object::Ptr object = root.extract<Poco::JSON::Object::Ptr>();
    TokenGrant grant;
    grant.token = stringMember(*object, "access_token");
    if (grant.token.empty()) grant.token = stringMember(*object, "token");
    if (!isUsableToken(grant.token)) return std::nullopt;
    grant.lifetimeSeconds = lifetimeOf(*object);
    return grant;
}

// ":" and "/" may stand in a query as they are (RFC 3986 3.4), and scopes are read by
// people in logs of servers.
std::string encodeValue(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == ':' || c == '/') {
            out += c;
        } else {
            out += percentEncode(std::string_view(&c, 1));
        }
    }
    return out;
}

}  // namespace

std::optional<TokenGrant> parseTokenGrant(std::string_view body) {
    // Poco's parser cuts strings at NUL.
    if (body.find('\0') != std::string_view::npos ||
        body.find("\\u0000") != std::string_view::npos) {
        return std::nullopt;
    }
    try {
        return grantOf(body);
    } catch (const Poco::Exception&) {
        return std::nullopt;
    }
}

std::string tokenUrl(const std::string& realm, const std::string* service,
                     const std::string& scope) {
    std::string url = realm.substr(0, realm.find('#'));
    if (url.find('?') == std::string::npos) {
        url += '?';
    } else if (url.back() != '?' && url.back() != '&') {
        url += '&';
    }
    if (service != nullptr && !service->empty()) {
        url += cat("service=", encodeValue(*service), '&');
    }
    return url + "scope=" + encodeValue(scope);
}

}  // namespace ociproxy
