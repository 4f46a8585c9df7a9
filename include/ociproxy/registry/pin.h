#ifndef OCIPROXY_REGISTRY_PIN_H
#define OCIPROXY_REGISTRY_PIN_H

#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/digest.h"

namespace ociproxy {

// Images that are to stay in the store: REGISTRY/REPOSITORY[:TAGS][@DIGEST]. TAGS is a tag
// in which * stands for any characters and ? for any one. A digest decides alone; without
// either every image of the repository is meant. A plain value.
struct Pin {
    std::string registry;  // canonical (canonicalRegistry())
    std::string repository;
    std::string tags;  // empty: not given
    std::optional<Digest> digest;

    bool admitsTag(std::string_view tag) const noexcept;
    // Whether `tags` is the name of one tag.
    bool namesOneTag() const noexcept;
    std::string text() const;
};

// On docker.io a repository of one component is below library/. nullopt with what is
// expected in `*problem` otherwise.
std::optional<Pin> parsePin(std::string_view text, std::string* problem);

}  // namespace ociproxy

#endif
