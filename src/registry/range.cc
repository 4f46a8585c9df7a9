#include "ociproxy/registry/range.h"

#include <algorithm>
#include <limits>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kMaxNumber = std::numeric_limits<std::uint64_t>::max();

// As parseUnsigned(), but any number of digits; saturated.
std::optional<std::uint64_t> parseSaturated(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
        value = value > (kMaxNumber - digit) / 10 ? kMaxNumber : value * 10 + digit;
    }
    return value;
}

std::optional<RangeSpec> parseSpec(std::string_view text) noexcept {
    std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    std::optional<std::uint64_t> first = parseSaturated(text.substr(0, dash));
    std::optional<std::uint64_t> last = parseSaturated(text.substr(dash + 1));
    if (dash == 0) {
        if (!last) return std::nullopt;
        return RangeSpec{RangeSpec::Kind::kSuffix, *last, 0};
    }
    if (!first) return std::nullopt;
    if (dash + 1 == text.size()) return RangeSpec{RangeSpec::Kind::kOpen, *first, 0};
    if (!last || *last < *first) return std::nullopt;
    return RangeSpec{RangeSpec::Kind::kClosed, *first, *last};
}

// Cuts the next element off a list of entity tags: its opaque part without quotes,
// or what stands there unquoted; empty when a quote is not closed.
std::string_view takeEntityTag(std::string_view* rest, bool* weak) noexcept {
    *rest = trim(*rest);
    *weak = startsWith(*rest, "W/");
    if (*weak) rest->remove_prefix(2);
    bool quoted = startsWith(*rest, "\"");
    if (quoted) rest->remove_prefix(1);
    std::size_t end = rest->find(quoted ? '"' : ',');
    if (end == std::string_view::npos) {
        std::string_view all = *rest;
        *rest = {};
        return quoted ? std::string_view() : trim(all);
    }
    std::string_view tag = rest->substr(0, end);
    rest->remove_prefix(end);
    rest->remove_prefix(std::min(rest->find(','), rest->size()));
    if (!rest->empty()) rest->remove_prefix(1);
    return quoted ? tag : trim(tag);
}

bool listHolds(std::string_view header, std::string_view digest, bool acceptWeak) noexcept {
    header = trim(header);
    if (header == "*") return true;
    while (!header.empty()) {
        bool weak = false;
        if (takeEntityTag(&header, &weak) == digest && (acceptWeak || !weak)) return true;
    }
    return false;
}

}  // namespace

std::optional<std::vector<RangeSpec>> parseRange(std::string_view header) {
    header = trim(header);
    std::size_t equals = header.find('=');
    if (equals == std::string_view::npos || !equalsIgnoreCase(header.substr(0, equals), "bytes")) {
        return std::nullopt;
    }
    std::vector<RangeSpec> out;
    for (std::string_view part : split(header.substr(equals + 1), ',')) {
        part = trim(part);
        if (part.empty()) continue;
        std::optional<RangeSpec> spec = parseSpec(part);
        if (!spec) return std::nullopt;
        out.push_back(*spec);
    }
    if (out.empty()) return std::nullopt;
    return out;
}

std::optional<ByteRange> satisfy(const RangeSpec& spec, std::uint64_t length) noexcept {
    if (spec.kind == RangeSpec::Kind::kSuffix) {
        if (spec.first == 0 || length == 0) return std::nullopt;
        return ByteRange{length - std::min(spec.first, length), length - 1};
    }
    if (spec.first >= length) return std::nullopt;
    bool open = spec.kind == RangeSpec::Kind::kOpen;
    return ByteRange{spec.first, open ? length - 1 : std::min(spec.last, length - 1)};
}

std::string contentRange(const ByteRange& range, std::uint64_t length) {
    return cat("bytes ", range.first, '-', range.last, '/', length);
}

std::string unsatisfiedRange(std::uint64_t length) {
    return cat("bytes */", length);
}

std::optional<ContentRange> parseContentRange(std::string_view header) {
    header = trim(header);
    if (!equalsIgnoreCase(header.substr(0, 6), "bytes ")) return std::nullopt;
    header.remove_prefix(6);
    std::size_t slash = header.find('/');
    std::size_t dash = header.find('-');
    if (slash == std::string_view::npos || dash > slash) return std::nullopt;
    std::optional<std::uint64_t> first = parseUnsigned(header.substr(0, dash));
    std::optional<std::uint64_t> last = parseUnsigned(header.substr(dash + 1, slash - dash - 1));
    // The last number has no successor, so that no length could be right.
    if (!first || !last || *last < *first || *last == kMaxNumber) return std::nullopt;
    ContentRange out{{*first, *last}, std::nullopt};
    std::string_view total = header.substr(slash + 1);
    if (total == "*") return out;
    out.length = parseUnsigned(total);
    if (!out.length || *out.length <= *last) return std::nullopt;
    return out;
}

bool matchesIfNoneMatch(std::string_view header, std::string_view digest) {
    return listHolds(header, digest, true);
}

bool matchesIfMatch(std::string_view header, std::string_view digest) {
    return listHolds(header, digest, false);
}

bool matchesIfRange(std::string_view header, std::string_view digest) {
    return trim(header) == cat('"', digest, '"');
}

}  // namespace ociproxy
