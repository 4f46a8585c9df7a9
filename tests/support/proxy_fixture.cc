#include "support/proxy_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ociproxy/base/error.h"
#include "store/links.h"

namespace ociproxy {

namespace {

std::string temporaryRoot() {
    std::string name = std::filesystem::temp_directory_path() / "ociproxy-unit.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throwErrno("mkdtemp " + name);
    return name;
}

}  // namespace

ProxyFixture::ProxyFixture(std::uint16_t upstreamPort)
    : log("off", LogLevel::kError), shared(SharedState::Options{}), root_(temporaryRoot()) {
    const std::string cache = root_ + "/cache";
    lock_ = Store::prepare(cache, Millis{0});
    Store::Options storeOptions;
    storeOptions.directory = cache;
    storeOptions.log = &log;
    store = std::make_unique<Store>(storeOptions);

    UpstreamClient::Options options;
    options.log = &log;
    options.tokens = &shared.tokens();
    options.counters = &shared.counters();
    options.resolver = &resolver_;
    options.userAgent = "ociproxy/test";
    options.instanceId = "test";
    client = std::make_unique<UpstreamClient>(options);

    self = shared.workers().raise(0);
    shared.workers().beat(self);

    upstream = std::make_shared<Upstream>();
    upstream->name = "up.test";
    upstream->origins.push_back({false, "127.0.0.1", upstreamPort});
    upstream->configured = true;
    upstream->computeId();
}

ProxyFixture::~ProxyFixture() {
    client.reset();
    store.reset();
    std::filesystem::remove_all(root_);
}

Digest ProxyFixture::put(const std::string& content, ContentKind kind, bool isPublic,
                         const RepositoryKey* linkedTo) {
    const Digest digest = digestOf(DigestAlgorithm::kSha256, content);
    const std::unique_ptr<ContentWriter> writer = store->create(digest, random64());
    writer->append(content.data(), content.size());
    OCIPROXY_ASSERT(writer->matches());
    ContentInfo info;
    info.size = content.size();
    info.isPublic = isPublic;
    info.origin = "up.test";
    (kind == ContentKind::kBlob ? info.blobType : info.manifestType) = "application/x-test";
    writer->commit(info);
    if (linkedTo) store->putLink(*linkedTo, kind, digest, false);
    return digest;
}

void ProxyFixture::stampLinks(std::int64_t confirmedAt) {
    namespace fs = std::filesystem;
    for (const fs::directory_entry& entry :
         fs::recursive_directory_iterator(root_ + "/cache/repos")) {
        if (entry.path().parent_path().filename() != "links") continue;
        std::ofstream(entry.path()) << formatLink(Link{confirmedAt});
    }
}

Target ProxyFixture::target(Operation operation, const std::string& repository,
                            Reference reference) const {
    Target target;
    target.operation = operation;
    target.upstream = upstream;
    target.where = {upstream->name, repository};
    target.reference = std::move(reference);
    target.requester = sha256Of(repository);
    return target;
}

Target ProxyFixture::blobTarget(const std::string& repository, const Digest& digest) const {
    return target(Operation::kBlob, repository, Reference(digest));
}

Target ProxyFixture::manifestTarget(const std::string& repository,
                                    const std::string& reference) const {
    ReferenceError error{};
    return target(Operation::kManifest, repository, *parseReference(reference, &error));
}

}  // namespace ociproxy
