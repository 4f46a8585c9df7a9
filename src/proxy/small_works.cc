// The works of the small lane: tags, links, manifests, tokens.
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "ociproxy/registry/range.h"
#include "ociproxy/shm/counters.h"
#include "proxy/blob_filler.h"
#include "proxy/claim_keys.h"
#include "proxy/fill_count.h"
#include "proxy/manifest_writer.h"
#include "proxy/pass_through.h"
#include "proxy/work_context.h"

namespace ociproxy {

namespace {

constexpr Millis kTokenFailureKeep{10'000};

// A work with one claim: subclasses do the exchange, this class ends the claim and
// releases the sessions whatever happens.
class SmallWork : public Work {
public:
    SmallWork(const char* what, const ClaimKey& key, const WorkOrder& order, const Target& target,
              WorkContext* context)
        : Work(cat(what, order.lastAuthentication ? " last " : " ",
                   std::string(key.begin(), key.end()),
                   std::string(target.requester.begin(), target.requester.end())),
               target.upstream->name, Lane::kSmall, context->replanner),
          context_(*context), key_(key), order_(order), target_(target), what_(what) {}

    void run() noexcept override {
        WorkResult result;
        try {
            result = claimed();
        } catch (const std::exception& e) {
            context_.trouble->report(what_, e);
            explain(failureOf(FillFailure::kStore), target_, &result);
            if (fill_) fill_->failed(failureOf(FillFailure::kStore));
        }
        fill_.reset();
        release(result);
    }

protected:
    // One exchange. Fills the result; returns the failure of the claim, if it failed.
    virtual std::optional<ClaimFailure> exchange(const OwnedClaim& claim, WorkResult* result) = 0;
    // From here on the exchange brings content into the store.
    void beginFill(const OwnedClaim& claim) {
        fill_.emplace(context_.counters, claim.result().adoption.has_value());
    }
    virtual Millis keepFailure() const { return context_.failureKeep; }

    // What a failure means for the sessions of this work.
    virtual void refuse(const ClaimFailure& failure, WorkResult* result) {
        explain(failure, target_, result);
    }

    // Notes what the store does wrong without giving up what was learned.
    template <class Step>
    void tolerate(const Step& step) {
        try {
            step();
        } catch (const SysError& e) {
            context_.trouble->report(what_, e);
        }
    }

    // The manifest is good and cannot be stored: its sessions get it all the same.
    static ClaimFailure passManifest(const ManifestWriter& writer, FillFailure failure,
                                     WorkResult* result) {
        const ClaimFailure claimFailure = failureOf(failure);
        if (const std::optional<PassReason> reason = passReasonOf(claimFailure)) {
            result->passed = writer.passed(*reason);
        }
        return claimFailure;
    }

    // A final status that is no success, as a claim failure.
    ClaimFailure unsuccessful(const UpstreamResponse& response, WorkResult* result) {
        result->upstreamStatus = response.status();
        return failureOfStatus(response);
    }

    WorkContext& context_;
    const ClaimKey key_;
    const WorkOrder order_;
    const Target target_;
    const std::string what_;

private:
    std::optional<FillCount> fill_;

    WorkResult claimed() {
        OwnedClaim claim(&context_, key_, target_);
        if (!claim.owned() && !goesAlone(claim)) return notOwnedResult(claim, target_);
        WorkResult result;
        std::optional<ClaimFailure> failure;
        try {
            failure = exchange(claim, &result);
        } catch (const UpstreamError& e) {
            logFailure(context_, target_, what_, e.what());
            failure = failureOf(e);
        }
        end(&claim, failure, &result);
        return result;
    }

    // Where the table is full, or has nothing but that our store failed, everybody asks for
    // himself: too often is better than not at all.
    static bool goesAlone(const OwnedClaim& claim) {
        return claim.result().outcome == ClaimTable::Outcome::kFull ||
               (claim.result().outcome == ClaimTable::Outcome::kFailed &&
                passReasonOf(claim.result().view.failure));
    }

    void end(OwnedClaim* claim, const std::optional<ClaimFailure>& failure, WorkResult* result) {
        if (!failure) {
            if (fill_) fill_->committed();
            claim->finish();
        } else if (failure->status == 401 &&
                   mayAuthenticate(context_, target_, order_.lastAuthentication, result)) {
            claim->abandon();
        } else {
            if (fill_) fill_->failed(*failure);
            if (!result->passed) refuse(*failure, result);
            claim->fail(*failure, keepFailure());
        }
    }
};

class TokenWork : public SmallWork {
public:
    TokenWork(const WorkOrder& order, const Target& target, WorkContext* context)
        : SmallWork("token", tokenKey(target), order, target, context) {}

protected:
    std::optional<ClaimFailure> exchange(const OwnedClaim&, WorkResult* result) override {
        result->tokenAsked = true;
        if (!context_.client->needsToken(*target_.upstream, target_.where.repository)) return {};
        context_.client->fetchToken(*target_.upstream, target_.where.repository,
                                    now() + context_.firstByteTimeout);
        return {};
    }
    Millis keepFailure() const override { return kTokenFailureKeep; }
    // What a missing token means differs between the sessions: each plans from the claim.
    void refuse(const ClaimFailure&, WorkResult*) override {}
};

// Asks whether the repository has the digest; a HEAD, or where HEAD does not serve a
// GET of one byte.
class ConfirmWork : public SmallWork {
public:
    ConfirmWork(const WorkOrder& order, const Target& target, WorkContext* context)
        : SmallWork("confirmation", linkKey(target, *order.digest), order, target, context) {}

protected:
    std::optional<ClaimFailure> exchange(const OwnedClaim& claim, WorkResult* result) override {
        std::unique_ptr<UpstreamResponse> response =
            context_.client->send(request(UpstreamMethod::kHead));
        std::optional<std::uint64_t> size = response->contentLength();
        if (headRefused(response->status()) || (response->status() == 200 && !size && blob())) {
            UpstreamRequest get = request(UpstreamMethod::kGet);
            get.rangeFirst = 0;
            get.rangeLast = 0;
            response = context_.client->send(get);
            size = sizeOf(*response);
        }
        result->upstreamStatus = response->status();
        if (response->status() == 416) size = 0;
        else if (response->status() != 200 && response->status() != 206) {
            return denyLink(*response, result);
        }
        confirmed(claim, *response, size, result);
        return {};
    }

    // The upstream's silence is no refusal: a link that has run out may still do.
    void refuse(const ClaimFailure& failure, WorkResult* result) override {
        (couldNotAsk(failure) ? result->unconfirmed : result->refusal) =
            refusalFor(failure, target_);
    }

private:
    bool blob() const { return target_.kind() == ContentKind::kBlob; }

    static bool headRefused(int status) {
        return status == 400 || status == 403 || status == 405 || status == 501;
    }

    UpstreamRequest request(UpstreamMethod method) const {
        UpstreamRequest request = requestFor(target_, method, order_.digest->text(), context_);
        if (!blob()) request.accept = anyManifestAccept();
        return request;
    }

    static std::optional<std::uint64_t> sizeOf(const UpstreamResponse& response) {
        if (response.status() == 200) return response.contentLength();
        const std::string* field = response.header("Content-Range");
        if (!field) return {};
        const std::optional<ContentRange> range = parseContentRange(*field);
        return range ? range->length : std::nullopt;
    }

    ClaimFailure denyLink(const UpstreamResponse& response, WorkResult* result) {
        const int status = response.status();
        if (status == 404 || status == 403 || status == 410) {
            context_.store->dropLink(target_.where, target_.kind(), *order_.digest);
        }
        return unsuccessful(response, result);
    }

    // Makes a link and nothing more: only bytes that were fetched can be public.
    void confirmed(const OwnedClaim& claim, const UpstreamResponse& response,
                   std::optional<std::uint64_t> size, WorkResult* result) {
        result->confirmed = true;
        const std::string* type = response.header("Content-Type");
        const std::string bare = type ? bareMediaType(*type) : std::string();
        if (size && (blob() || isManifestType(bare))) result->head = HeadFacts{*size, bare};
        tolerate([&] {
            context_.store->putLink(target_.where, target_.kind(), *order_.digest, false);
        });
        context_.claims->start(claim.handle(), size.value_or(kUnknownLength));
    }
};

class ManifestWork : public SmallWork {
public:
    ManifestWork(const WorkOrder& order, const Target& target, WorkContext* context)
        : SmallWork("manifest", fillKey(target, *order.digest), order, target, context) {}

protected:
    std::optional<ClaimFailure> exchange(const OwnedClaim& claim, WorkResult* result) override {
        if (context_.store->open(*order_.digest, ContentKind::kManifest)) return {};
        beginFill(claim);
        UpstreamRequest request =
            requestFor(target_, UpstreamMethod::kGet, order_.digest->text(), context_);
        request.accept = anyManifestAccept();
        const std::unique_ptr<UpstreamResponse> response = context_.client->send(request);
        if (response->status() != 200) return unsuccessful(*response, result);
        result->upstreamStatus = 200;
        ManifestWriter writer(&context_, target_);
        const std::optional<FillFailure> failure =
            writer.store(*response, order_.digest, claim.lineage());
        if (failure) return passManifest(writer, *failure, result);
        result->fetchedManifest = true;
        return {};
    }
};

// Asks what a tag points to: HEAD, which registries do not count as a pull, and GET
// where HEAD does not serve.
class TagWork : public SmallWork {
public:
    TagWork(const WorkOrder& order, const Target& target, WorkContext* context)
        : SmallWork("tag", tagKey(target), order, target, context) {}

protected:
    std::optional<ClaimFailure> exchange(const OwnedClaim& claim, WorkResult* result) override {
        std::unique_ptr<UpstreamResponse> response =
            context_.client->send(request(UpstreamMethod::kHead));
        const int status = response->status();
        if (status == 200 && takeHead(*response, result)) return {};
        const bool headServes = status == 401 || status == 404 || status == 429 ||
                                (status >= 500 && status != 501);
        if (headServes) return unsuccessful(*response, result);
        response = context_.client->send(request(UpstreamMethod::kGet));
        if (response->status() != 200) return unsuccessful(*response, result);
        beginFill(claim);
        return takeManifest(*response, claim.lineage(), result);
    }

private:
    UpstreamRequest request(UpstreamMethod method) const {
        UpstreamRequest request =
            requestFor(target_, method, target_.reference->tagName(), context_);
        request.accept = manifestAccept();
        return request;
    }

    // False: the HEAD does not say what we need.
    bool takeHead(const UpstreamResponse& response, WorkResult* result) {
        const std::string* digestField = response.header("Docker-Content-Digest");
        const std::string* typeField = response.header("Content-Type");
        const std::optional<std::uint64_t> size = response.contentLength();
        if (!digestField || !typeField || !size) return false;
        const std::optional<Digest> digest = Digest::parse(*digestField);
        const std::string type = bareMediaType(*typeField);
        if (!digest || !isManifestType(type)) return false;
        result->upstreamStatus = 200;
        result->tagChecked = true;
        result->head = HeadFacts{*size, type};
        remember(*digest, type, *size, false, result);
        return true;
    }

    std::optional<ClaimFailure> takeManifest(UpstreamResponse& response, std::uint64_t lineage,
                                             WorkResult* result) {
        result->upstreamStatus = 200;
        ManifestWriter writer(&context_, target_);
        if (const std::optional<FillFailure> failure =
                writer.store(response, std::nullopt, lineage)) {
            return passManifest(writer, *failure, result);
        }
        result->tagChecked = true;
        result->fetchedManifest = true;
        remember(*writer.digest(), writer.mediaType(), writer.size(), true, result);
        return {};
    }

    // The answer for a tag names the digest for this repository: that is the link.
    void remember(const Digest& digest, const std::string& type, std::uint64_t size,
                  bool stored, WorkResult* result) {
        const std::string& tag = target_.reference->tagName();
        std::optional<TagEntry> entry;
        tolerate([&] { entry = context_.store->tag(target_.where, tag); });
        if (!entry || stored) entry = TagEntry{digest, type, size, 0, std::nullopt};
        entry->checkedAt = wallSeconds();
        entry->next.reset();
        if (entry->digest != digest) entry->next = digest;
        result->tagEntry = entry;
        tolerate([&] {
            context_.store->putLink(target_.where, ContentKind::kManifest, digest, false);
            context_.store->putTag(target_.where, tag, *entry);
            result->tagEntry.reset();  // it is where others find it too
        });
    }
};

}  // namespace

WorkPtr makeWork(const WorkOrder& order, const Target& target, WorkContext* context) {
    switch (order.kind) {
    case WorkKind::kFetchToken: return std::make_shared<TokenWork>(order, target, context);
    case WorkKind::kConfirm: return std::make_shared<ConfirmWork>(order, target, context);
    case WorkKind::kCheckTag: return std::make_shared<TagWork>(order, target, context);
    case WorkKind::kFetchManifest: return std::make_shared<ManifestWork>(order, target, context);
    case WorkKind::kPassThrough: return std::make_shared<PassThrough>(order, target, context);
    case WorkKind::kFillBlob: break;
    }
    return std::make_shared<BlobFiller>(order, target, context);
}

}  // namespace ociproxy
