#include "registry/route_operation.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

using Components = std::vector<std::string_view>;

// A registry, a slash and a repository.
constexpr std::size_t kMaxName = 2 * kMaxRepository + 1;

// An operation's suffix as found: how many components stand before it, and its argument.
struct Suffix {
    Operation operation;
    std::size_t nameParts;
    std::string_view argument;
};

// A repository may have components called like operations, so the last ones decide.
std::optional<Suffix> findSuffix(const Components& parts) {
    std::size_t count = parts.size();
    if (count < 2) return std::nullopt;
    std::string_view last = parts[count - 1];
    std::string_view word = parts[count - 2];
    if (count >= 3 && word == "uploads" && parts[count - 3] == "blobs") {
        return Suffix{Operation::kUpload, count - 3, last};
    }
    if (word == "blobs") return Suffix{Operation::kBlob, count - 2, last};
    if (word == "manifests") return Suffix{Operation::kManifest, count - 2, last};
    if (word == "referrers") return Suffix{Operation::kReferrers, count - 2, last};
    if (word == "tags" && last == "list") return Suffix{Operation::kTags, count - 2, last};
    return std::nullopt;
}

// Components that no grammar allows and that must not reach any other program's idea
// of a path; the rest of the grammar needs to know where the registry's name ends.
Refusal checkName(const Components& parts, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        std::string_view part = parts[i];
        if (part.empty() || part == "." || part == "..") {
            return RouteError{400, ErrorCode::kNameInvalid,
                              "the path has an empty or a dot component"};
        }
        if (part[0] == '_') {
            return RouteError{404, ErrorCode::kUnsupported, "extensions are not supported"};
        }
    }
    return std::nullopt;
}

Refusal parseArgument(const Suffix& suffix, Route* route) {
    RouteError badDigest{400, ErrorCode::kDigestInvalid,
                         "not a digest of an algorithm that is supported"};
    if (suffix.operation == Operation::kTags) return std::nullopt;
    if (suffix.operation == Operation::kUpload) {
        route->session = std::string(suffix.argument);
        return std::nullopt;
    }
    if (suffix.operation == Operation::kBlob && isForeignDigest(suffix.argument)) {
        route->reference = Reference::foreign(std::string(suffix.argument));
        return std::nullopt;
    }
    if (suffix.operation != Operation::kManifest) {
        std::optional<Digest> digest = Digest::parse(suffix.argument);
        if (!digest) return badDigest;
        route->reference = Reference(std::move(*digest));
        return std::nullopt;
    }
    ReferenceError error = ReferenceError::kTagInvalid;
    route->reference = parseReference(suffix.argument, &error);
    if (route->reference) return std::nullopt;
    if (error == ReferenceError::kDigestInvalid) return badDigest;
    return RouteError{400, ErrorCode::kTagInvalid, "neither a tag nor a digest"};
}

}  // namespace

Refusal parseOperation(std::string_view rest, Route* route) {
    Components parts = split(rest, '/');
    std::optional<Suffix> suffix = findSuffix(parts);
    if (!suffix) {
        // A slash at the end of what is not found is no malformed name.
        std::size_t count = parts.back().empty() ? parts.size() - 1 : parts.size();
        Refusal refusal = checkName(parts, count);
        if (refusal) return refusal;
        return RouteError{404, ErrorCode::kUnsupported, "no such endpoint"};
    }
    if (suffix->nameParts == 0) {
        return RouteError{400, ErrorCode::kNameInvalid, "the repository name is missing"};
    }
    Refusal refusal = checkName(parts, suffix->nameParts);
    if (refusal) return refusal;
    std::string_view lastPart = parts[suffix->nameParts - 1];
    std::size_t length = static_cast<std::size_t>(lastPart.data() - rest.data()) + lastPart.size();
    if (length > kMaxName) {
        return RouteError{400, ErrorCode::kNameInvalid, "the repository name is too long"};
    }
    route->operation = suffix->operation;
    route->name = std::string(rest.substr(0, length));
    return parseArgument(*suffix, route);
}

}  // namespace ociproxy
