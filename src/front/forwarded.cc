#include "front/forwarded.h"

#include <algorithm>
#include <string_view>

#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

// Whom each proxy has seen, from left to right; nullopt: somebody without an address.
using Chain = std::vector<std::optional<ForwardedClient>>;

std::optional<std::uint16_t> parsePort(std::string_view text) {
    const std::optional<std::uint64_t> port = parseUnsigned(text);
    if (!port || text.size() > 5 || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

// ADDRESS, ADDRESS:PORT, [ADDRESS] or [ADDRESS]:PORT. A port that is obfuscated
// ("_http") is no port; X-Forwarded-For may have IPv6 without brackets.
std::optional<ForwardedClient> parseNode(std::string_view text) {
    std::string_view port;
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.rfind(':');
    const bool bracketed = bracket != std::string_view::npos;
    const bool hasPort = colon != std::string_view::npos &&
                         (bracketed ? colon == bracket + 1 : text.find(':') == colon);
    if (hasPort) {
        port = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    const std::optional<IpAddress> address = IpAddress::parse(text);
    if (!address) return std::nullopt;
    return ForwardedClient{*address, parsePort(port).value_or(0)};
}

// Reads fields Forwarded: elements of pairs NAME=VALUE, divided by commas and semicolons.
class ForwardedReader {
public:
    explicit ForwardedReader(std::string_view text) : rest_(text) {}

    // nullopt: not well-formed.
    std::optional<Chain> read() {
        Chain chain;
        do {
            skipSpace();
            std::optional<ForwardedClient> client;
            if (!readElement(&client)) return std::nullopt;
            chain.push_back(client);
            skipSpace();
        } while (take(','));
        if (!rest_.empty()) return std::nullopt;
        return chain;
    }

private:
    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    void skipSpace() {
        while (take(' ') || take('\t')) {
        }
    }

    bool readElement(std::optional<ForwardedClient>* client) {
        do {
            skipSpace();
            const std::string_view name = readToken();
            std::string value;
            if (name.empty() || !take('=') || !readValue(&value)) return false;
            if (equalsIgnoreCase(name, "for")) *client = parseNode(value);
            skipSpace();
        } while (take(';'));
        return true;
    }

    std::string_view readToken() {
        std::size_t size = 0;
        while (size < rest_.size() && isToken(rest_.substr(size, 1))) ++size;
        const std::string_view token = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return token;
    }

    // A token or a quoted string. Many write an address with its port as it is.
    bool readValue(std::string* value) {
        if (take('"')) return readQuoted(value);
        const std::size_t end = std::min(rest_.find_first_of(" \t,;\""), rest_.size());
        *value = std::string(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return !value->empty();
    }

    bool readQuoted(std::string* value) {
        while (!take('"')) {
            take('\\');
            if (rest_.empty()) return false;
            value->push_back(rest_.front());
            rest_.remove_prefix(1);
        }
        return true;
    }

    std::string_view rest_;
};

Chain readList(std::string_view text) {
    Chain chain;
    for (std::string_view entry : split(text, ',')) chain.push_back(parseNode(trim(entry)));
    return chain;
}

std::optional<Chain> chainOf(const Headers& headers) {
    if (headers.has("Forwarded")) return ForwardedReader(headers.joined("Forwarded")).read();
    if (headers.has("X-Forwarded-For")) return readList(headers.joined("X-Forwarded-For"));
    return std::nullopt;
}

}  // namespace

std::string ForwardedClient::text() const {
    const bool bare = address.isV4() || port == 0;
    return cat(bare ? "" : "[", address.text(), bare ? "" : "]",
               port == 0 ? std::string() : cat(":", port));
}

std::optional<ForwardedClient> forwardedClient(const Headers& headers,
                                               const std::vector<Network>& trusted) {
    const std::optional<Chain> chain = chainOf(headers);
    std::optional<ForwardedClient> client;
    if (!chain) return client;
    for (auto seen = chain->rbegin(); seen != chain->rend() && *seen; ++seen) {
        client = *seen;
        if (!isOneOf(trusted, client->address)) break;
    }
    return client;
}

}  // namespace ociproxy
