#include "conf/value_parts.h"

#include <optional>
#include <stdexcept>

#include "ociproxy/base/text.h"

namespace ociproxy {

void bad(const std::string& wanted) { throw std::invalid_argument(wanted); }

std::vector<std::string> list(const std::string& value) {
    std::vector<std::string> out;
    for (std::string_view word : words(value)) out.emplace_back(word);
    if (out.empty()) bad("at least one word is expected");
    return out;
}

std::vector<Network> networks(const std::string& value) {
    std::vector<Network> out;
    for (const std::string& word : list(value)) {
        const std::optional<Network> network = Network::parse(word);
        if (!network) bad(cat(logEscape(word), " is no network such as 10.0.0.0/8"));
        out.push_back(*network);
    }
    return out;
}

Lines joined(const std::vector<std::string>& parts) {
    if (parts.empty()) return {};
    std::string line;
    for (const std::string& part : parts) line += (line.empty() ? "" : " ") + part;
    return {line};
}

Lines joined(const std::vector<Network>& parts) {
    std::vector<std::string> texts;
    for (const Network& part : parts) texts.push_back(part.text());
    return joined(texts);
}

}  // namespace ociproxy
