// What unit tests of the proxy module stand on: a real store in a temporary
// directory, real shared memory, and an upstream that nobody may dial unless the
// test gives it a port.
#ifndef OCIPROXY_TESTS_SUPPORT_PROXY_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_PROXY_FIXTURE_H

#include <memory>
#include <string>

#include "ociproxy/base/log.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/client.h"
#include "proxy/target.h"

namespace ociproxy {

class ProxyFixture {
public:
    explicit ProxyFixture(std::uint16_t upstreamPort = 9);
    ~ProxyFixture();

    // Stores `content` under its digest in the given role, with or without a link.
    Digest put(const std::string& content, ContentKind kind, bool isPublic = false,
               const RepositoryKey* linkedTo = nullptr);
    // As if all links had been confirmed then, by a wall clock that may have been wrong.
    void stampLinks(std::int64_t confirmedAt);
    Target blobTarget(const std::string& repository, const Digest& digest) const;
    Target manifestTarget(const std::string& repository, const std::string& reference) const;

    Log log;
    SharedState shared;
    std::unique_ptr<Store> store;
    std::unique_ptr<UpstreamClient> client;
    WorkerId self;
    std::shared_ptr<Upstream> upstream;

private:
    Target target(Operation operation, const std::string& repository, Reference reference) const;

    std::string root_;
    Fd lock_;
    SystemResolver resolver_;
};

}  // namespace ociproxy

#endif
