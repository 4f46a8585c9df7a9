#include "proxy/manifest_writer.h"

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"

namespace ociproxy {

std::optional<FillFailure> ManifestWriter::store(UpstreamResponse& response,
                                                 const std::optional<Digest>& expected,
                                                 std::uint64_t lineage) {
    if (const std::optional<FillFailure> failure = take(response, expected)) return failure;
    if (!context_.budget->admits(body_.size())) return FillFailure::kNoRoom;
    try {
        commit(lineage);
    } catch (const SysError& e) {
        context_.trouble->report(cat("manifest ", digest_->text()), e);
        return FillFailure::kStore;
    }
    return {};
}

Passed ManifestWriter::passed(PassReason reason) const {
    Passed passed;
    passed.reason = reason;
    passed.digest = digest_;
    passed.mediaType = mediaType_;
    passed.bytes = body_;
    passed.length = body_.size();
    return passed;
}

std::optional<FillFailure> ManifestWriter::take(UpstreamResponse& response,
                                                const std::optional<Digest>& expected) {
    body_ = response.readAll(kMaxManifest);
    context_.counters->add(Counter::kBytesFetched, body_.size());
    isPublic_ = isPublicContent(target_, response);
    if (!digestAgrees(response.header("Docker-Content-Digest"), expected, body_)) {
        context_.counters->add(Counter::kDigestMismatches);
        logFailure(context_, target_, "manifest", "content does not match its digest");
        return FillFailure::kDigestMismatch;
    }
    const std::string* type = response.header("Content-Type");
    mediaType_ = manifestTypeToServe(type ? *type : std::string(), body_);
    if (mediaType_.empty()) {
        logFailure(context_, target_, "manifest",
                   cat("not a usable manifest, Content-Type ",
                       type ? logEscape(*type) : "missing"));
        return FillFailure::kManifestInvalid;
    }
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

void ManifestWriter::commit(std::uint64_t lineage) {
    const std::unique_ptr<ContentWriter> writer = context_.store->create(*digest_, lineage);
    writer->append(body_.data(), body_.size());
    OCIPROXY_ASSERT(writer->matches());
    context_.store->putLink(target_.where, ContentKind::kManifest, *digest_, true);
    ContentInfo info;
    info.size = body_.size();
    info.manifestType = mediaType_;
    info.origin = target_.where.upstream;
    info.fetchedAt = wallSeconds();
    info.isPublic = isPublic_;
    writer->commit(info);
    context_.budget->committed(info.size);
}

}  // namespace ociproxy
