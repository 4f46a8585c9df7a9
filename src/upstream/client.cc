#include "ociproxy/upstream/client.h"

#include <Poco/Net/SSLManager.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/token_board.h"
#include "upstream/challenge_memory.h"
#include "upstream/journey.h"
#include "upstream/journey_response.h"
#include "upstream/token_fetcher.h"

namespace ociproxy {

namespace {

std::string rangeValue(std::uint64_t first, const std::optional<std::uint64_t>& last) {
    return cat("bytes=", first, '-', last ? std::to_string(*last) : std::string());
}

std::vector<ResponseHead::Field> fieldsOf(const UpstreamRequest& request) {
    std::vector<ResponseHead::Field> fields;
    if (!request.accept.empty()) fields.push_back({"Accept", request.accept});
    if (request.rangeFirst) {
        fields.push_back({"Range", rangeValue(*request.rangeFirst, request.rangeLast)});
        if (!request.ifRange.empty()) fields.push_back({"If-Range", request.ifRange});
    }
    return fields;
}

const UpstreamClient::Options& checked(const UpstreamClient::Options& options) {
    OCIPROXY_ASSERT(options.log && options.tokens && options.counters && options.resolver);
    return options;
}

}  // namespace

class UpstreamClient::Impl {
public:
    explicit Impl(const Options& options)
        : options_(checked(options)), sender_(options), journey_(&sender_),
          fetcher_(options.tokens, options.counters, &journey_) {
        Poco::Net::initializeSSL();  // counted by Poco; never undone, others may use it
    }

    std::unique_ptr<UpstreamResponse> send(const UpstreamRequest& request) {
        const Sha256 key = sha256Of(tokenName(*request.upstream, request.repository));
        JourneyRequest wanted;
        wanted.upstream = request.upstream.get();
        wanted.method = request.method;
        wanted.fields = fieldsOf(request);
        wanted.token = options_.tokens->find(key).value_or("");
        wanted.deadline = request.firstByteDeadline;
        JourneyEnd end = travelFromAnyOrigin(wanted, request.target);
        if (end.answer.head.status == 401 && end.atHome) refused(key, wanted, end);
        return std::make_unique<JourneyResponse>(std::move(end), request.upstream);
    }

    const ChallengeMemory& memory() const noexcept { return memory_; }
    TokenFetcher& fetcher() noexcept { return fetcher_; }
    bool hasToken(const std::string& name) {
        return options_.tokens->find(sha256Of(name)).has_value();
    }

private:
    JourneyEnd travelFromAnyOrigin(const JourneyRequest& wanted, const std::string& target) {
        const std::vector<Origin>& origins = wanted.upstream->origins;
        OCIPROXY_ASSERT(!origins.empty());
        if (!isRequestTarget(target)) {
            throw UpstreamError(UpstreamFailure::kProtocol,
                                cat(wanted.upstream->name, ": target that cannot be sent: ",
                                    redactUrl(target)));
        }
        for (std::size_t i = 0;; ++i) {
            try {
                return journey_.travel(wanted, Url{origins[i], target});
            } catch (const ConnectFailure& e) {
                if (i + 1 == origins.size() || now() >= wanted.deadline) throw;
                options_.log->debug(cat(e.what(), "; trying the next origin"));
            }
        }
    }

    void refused(const Sha256& key, const JourneyRequest& wanted, const JourneyEnd& end) {
        if (end.tokenSent) options_.tokens->removeIf(key, wanted.token);
        memory_.learn(wanted.upstream->id, end.request.url, end.answer.head, end.tokenSent);
    }

    const Options options_;
    HopSender sender_;
    Journey journey_;
    TokenFetcher fetcher_;
    ChallengeMemory memory_;
};

UpstreamClient::UpstreamClient(const Options& options) : impl_(std::make_unique<Impl>(options)) {}

UpstreamClient::~UpstreamClient() = default;

std::unique_ptr<UpstreamResponse> UpstreamClient::send(const UpstreamRequest& request) {
    return impl_->send(request);
}

bool UpstreamClient::needsToken(const Upstream& upstream, const std::string& repository) {
    const std::optional<ChallengeMemory::Demand> demand = impl_->memory().find(upstream.id);
    return demand && demand->bearer && !impl_->hasToken(tokenName(upstream, repository));
}

UpstreamClient::Challenged UpstreamClient::challenge(const Upstream& upstream) {
    const std::optional<ChallengeMemory::Demand> demand = impl_->memory().find(upstream.id);
    if (!demand) return Challenged::kNothing;
    return demand->bearer ? Challenged::kBearer : Challenged::kUnusable;
}

void UpstreamClient::fetchToken(const Upstream& upstream, const std::string& repository,
                                TimePoint deadline) {
    const std::optional<ChallengeMemory::Demand> demand = impl_->memory().find(upstream.id);
    if (!demand || !demand->bearer) {
        throw UpstreamError(UpstreamFailure::kTokenDenied,
                            cat(upstream.name, ": token for ", repository,
                                ": the upstream has named no realm to ask"));
    }
    impl_->fetcher().fetch(upstream, repository, *demand, deadline);
}

std::string UpstreamClient::tokenName(const Upstream& upstream, const std::string& repository) {
    std::string name = "token";
    for (const std::string& part : {upstream.id, repository, std::string("anonymous")}) {
        name.push_back('\0');
        name += part;
    }
    return name;
}

}  // namespace ociproxy
