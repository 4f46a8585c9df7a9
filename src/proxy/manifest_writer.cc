#include "proxy/manifest_writer.h"

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"

namespace ociproxy {

std::optional<FillFailure> ManifestWriter::store(UpstreamResponse& response,
                                                 const std::optional<Digest>& expected,
                                                 std::uint64_t lineage) {
    const std::string body = response.readAll(kMaxManifest);
    context_.counters->add(Counter::kBytesFetched, body.size());
    size_ = body.size();
    if (!digestAgrees(response.header("Docker-Content-Digest"), expected, body)) {
        context_.counters->add(Counter::kDigestMismatches);
        logFailure(context_, target_, "manifest", "content does not match its digest");
        return FillFailure::kDigestMismatch;
    }
    const std::string* type = response.header("Content-Type");
    mediaType_ = manifestTypeToServe(type ? *type : std::string(), body);
    if (mediaType_.empty()) {
        logFailure(context_, target_, "manifest",
                   cat("not a usable manifest, Content-Type ",
                       type ? logEscape(*type) : "missing"));
        return FillFailure::kManifestInvalid;
    }
    commit(response, body, lineage);
    return {};
}

bool ManifestWriter::digestAgrees(const std::string* field, const std::optional<Digest>& expected,
                                  const std::string& body) {
    const std::optional<Digest> named = field ? Digest::parse(*field) : std::nullopt;
    DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
    if (expected) algorithm = expected->algorithm();
    else if (named) algorithm = named->algorithm();
    digest_ = digestOf(algorithm, body);
    if (expected && *digest_ != *expected) return false;
    return !named || named->algorithm() != algorithm || *named == *digest_;
}

void ManifestWriter::commit(const UpstreamResponse& response, const std::string& body,
                            std::uint64_t lineage) {
    const std::unique_ptr<ContentWriter> writer = context_.store->create(*digest_, lineage);
    writer->append(body.data(), body.size());
    OCIPROXY_ASSERT(writer->matches());
    context_.store->putLink(target_.where, ContentKind::kManifest, *digest_, true);
    ContentInfo info;
    info.size = body.size();
    info.manifestType = mediaType_;
    info.origin = target_.where.upstream;
    info.fetchedAt = wallSeconds();
    info.isPublic = isPublicContent(target_, response);
    writer->commit(info);
    if (context_.budget != nullptr) context_.budget->committed(info.size);
}

}  // namespace ociproxy
