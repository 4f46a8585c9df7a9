#ifndef OCIPROXY_SRC_PROXY_CONTENT_FACTS_H
#define OCIPROXY_SRC_PROXY_CONTENT_FACTS_H

#include <cstdint>
#include <string>

#include "ociproxy/base/digest.h"

namespace ociproxy {

// What content replies are made of, wherever the bytes come from.
struct ContentFacts {
    Digest digest;
    std::string mediaType;
    bool blob = true;        // ranges are served, the name never changes its meaning
    bool byTag = false;      // the name may mean something else tomorrow
    bool isPublic = false;
    std::int64_t fetchedAt = 0;  // wall seconds; 0: just now
};

}  // namespace ociproxy

#endif
