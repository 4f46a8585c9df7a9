#include "ociproxy/registry/pin.h"

#include <algorithm>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

namespace {

constexpr const char* kWanted =
    "REGISTRY/REPOSITORY[:TAG][@DIGEST] is expected, such as docker.io/library/alpine:3.*";

// Goes back to the latest * only, which is enough: time is the product of both lengths.
bool globMatches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool isTagPattern(std::string_view pattern) {
    std::string sample(pattern);
    std::replace(sample.begin(), sample.end(), '*', 'x');
    std::replace(sample.begin(), sample.end(), '?', 'x');
    return isTag(sample);
}

std::string_view cutBehind(std::string_view* text, char separator) noexcept {
    const std::size_t at = text->find(separator);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = text->substr(at + 1);
    *text = text->substr(0, at);
    return rest;
}

bool takeDigest(std::string_view text, Pin* pin) {
    pin->digest = Digest::parse(text);
    return pin->digest.has_value();
}

bool takeName(std::string_view registry, std::string_view repository, Pin* pin) {
    if (!isHostLike(registry) || !parseHostPort(registry) || !isRepository(repository)) {
        return false;
    }
    pin->registry = canonicalRegistry(registry);
    pin->repository = repository;
    const bool official = pin->registry == "docker.io" &&
                          repository.find('/') == std::string_view::npos;
    if (official) pin->repository.insert(0, "library/");
    return true;
}

bool take(std::string_view text, Pin* pin) {
    const bool hasDigest = text.find('@') != std::string_view::npos;
    const std::string_view digest = cutBehind(&text, '@');
    if (hasDigest && !takeDigest(digest, pin)) return false;
    std::string_view registry = text;
    std::string_view repository = cutBehind(&registry, '/');
    const bool hasTags = repository.find(':') != std::string_view::npos;
    const std::string_view tags = cutBehind(&repository, ':');
    if (hasTags && !isTagPattern(tags)) return false;
    pin->tags = tags;
    return takeName(registry, repository, pin);
}

}  // namespace

bool Pin::admitsTag(std::string_view tag) const noexcept {
    return tags.empty() || globMatches(tags, tag);
}

bool Pin::namesOneTag() const noexcept {
    return !tags.empty() && tags.find_first_of("*?") == std::string::npos;
}

std::string Pin::text() const {
    return cat(registry, '/', repository, tags.empty() ? "" : ":", tags, digest ? "@" : "",
               digest ? digest->text() : std::string());
}

std::optional<Pin> parsePin(std::string_view text, std::string* problem) {
    Pin pin;
    if (take(text, &pin)) return pin;
    *problem = kWanted;
    return std::nullopt;
}

}  // namespace ociproxy
