// The keys under which this module claims. The upstream's id
// carries a hash of its settings, so that a reload with others keeps them apart.
#ifndef OCIPROXY_SRC_PROXY_CLAIM_KEYS_H
#define OCIPROXY_SRC_PROXY_CLAIM_KEYS_H

#include <string>

#include "ociproxy/shm/claim_table.h"
#include "ociproxy/upstream/client.h"
#include "proxy/target.h"

namespace ociproxy {

inline ClaimKey fillKey(const Target& target, const Digest& digest) {
    return claimKey({"fill", contentKindName(target.kind()), target.upstream->id, digest.text()});
}
inline ClaimKey linkKey(const Target& target, const Digest& digest) {
    return claimKey({"link", contentKindName(target.kind()), target.upstream->id,
                     target.where.repository, digest.text()});
}
inline ClaimKey tagKey(const Target& target) {
    return claimKey({"tag", target.upstream->id, target.where.repository,
                     target.reference->tagName()});
}
inline ClaimKey tokenKey(const Target& target) {
    return claimKey(
        {"token", UpstreamClient::tokenName(*target.upstream, target.where.repository)});
}

}  // namespace ociproxy

#endif
