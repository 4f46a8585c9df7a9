// Escaping, and the numbers of the configuration.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "registry/json_limits.h"

namespace ociproxy::fuzz {
namespace {

void checkEscapes(std::string_view text) {
    const std::string encoded = percentEncode(text);
    FUZZ_CHECK(isPrintable(encoded) && percentDecode(encoded) == text);
    const std::string logged = logEscape(text);
    FUZZ_CHECK(isPrintable(logged));
    const std::string json = jsonEscape(text);
    FUZZ_CHECK(jsonEscape(json).size() >= json.size());
    const bool zero = text.find('\0') != std::string_view::npos;
    FUZZ_CHECK(withinJsonLimits(cat("[\"", json, "\"]")) == !zero);
}

void checkRedaction(std::string_view text) {
    FUZZ_CHECK(isPrintable(redactUrl(text)));
    for (const char* name : {"Location", "WWW-Authenticate", "Accept"}) {
        FUZZ_CHECK(isPrintable(redactHeader(name, text)));
    }
    FUZZ_CHECK(redactHeader("authorization", text) == "[redacted]");
    FUZZ_CHECK(redactUrl(cat("https://user:SECRET@h/p?SECRET#", text)) == "https://h/p?...");
    FUZZ_CHECK(redactUrl(cat("https://h/p?", text)) == "https://h/p?...");
}

void checkNumbers(std::string_view text) {
    if (const std::optional<std::uint64_t> number = parseUnsigned(text)) {
        FUZZ_CHECK(parseUnsigned(std::to_string(*number)) == number);
    }
    if (const std::optional<std::uint64_t> size = parseSize(text)) {
        FUZZ_CHECK(parseSize(formatSize(*size)) == size);
    }
    if (const std::optional<std::uint64_t> time = parseDuration(text)) {
        FUZZ_CHECK(parseDuration(formatDuration(*time)) == time);
    }
}

void checkDivision(std::string_view text) {
    std::string joined;
    for (std::string_view part : split(text, ',')) joined += cat(part, ",");
    FUZZ_CHECK(joined == cat(text, ","));
    for (std::string_view word : words(text)) {
        FUZZ_CHECK(!word.empty() && trim(word) == word);
    }
    FUZZ_CHECK(equalsIgnoreCase(text, lower(text)));
    FUZZ_CHECK(!isToken(text) || isPrintable(text));
}

}  // namespace

FUZZ_TARGET(text) {
    checkEscapes(input);
    checkRedaction(input);
    checkNumbers(input);
    checkDivision(input);
}

}  // namespace ociproxy::fuzz
