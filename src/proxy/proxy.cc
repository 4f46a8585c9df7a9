#include "ociproxy/proxy/proxy.h"

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/upstream/client.h"
#include "proxy/access_log.h"
#include "proxy/claim_keys.h"
#include "proxy/claim_watcher.h"
#include "proxy/follower.h"
#include "proxy/hit_cache.h"
#include "proxy/plan.h"
#include "proxy/plan_threads.h"
#include "proxy/read_verifier.h"
#include "proxy/replies.h"
#include "proxy/request_result.h"
#include "proxy/upstream_pool.h"
#include "proxy/work_context.h"

namespace ociproxy {

namespace {

constexpr unsigned kPlanThreads = 4;

Refusal unavailable(const char* message) {
    Refusal refusal;
    refusal.status = 503;
    refusal.message = message;
    refusal.retryAfter = 1;
    return refusal;
}

WorkResult refused(const char* message) {
    WorkResult result;
    result.refusal = unavailable(message);
    return result;
}

}  // namespace

// The driver: sessions go round plan, wait and work until there is a reply.
class Proxy::Impl : public Replanner, public FollowerSource {
public:
    explicit Impl(const Options& options);

    void start();
    void stop();
    bool filling() const { return pool_.filling(); }

    std::optional<Reply> immediateReply(const Request& request);
    void handle(std::shared_ptr<Exchange> exchange);
    const Options& options() const { return options_; }

    // A body of the reply to this could not be read.
    void suspect(const Request& request) noexcept;

    void replan(SessionPtr session) override { planThreads_.push(std::move(session)); }
    std::shared_ptr<GrowingBody> follow(const Target& target, const Digest& digest,
                                        const ClaimView& view) override;

private:
    static UpstreamPool::Options poolOptions(const Options& options);
    static HitCache::Options hitOptions(const Options& options);
    Planner::Options plannerOptions();
    void prepareContext();

    std::optional<Reply> localReply(const Request& request, TargetResult* chosen);
    void step(SessionPtr session) noexcept;
    void advance(const SessionPtr& session);
    void deliver(const Session& session, Reply reply) noexcept;
    bool remember(Session* session, std::uint64_t generation);
    ReadVerifier::Options verifierOptions() const;
    void planAnew(const SessionPtr& session);
    void look(const Digest& digest, ContentKind kind);
    void takeOver(const Target& target, const Digest& digest);
    std::shared_ptr<StreamSource> goOn(const Target& target, const Digest& digest,
                                       Continuation::Part part);

    Options options_;
    StoreTrouble trouble_;
    WorkContext context_;
    ClaimWatcher watcher_;
    UpstreamPool pool_;
    HitCache hits_;
    ReadVerifier verifier_;
    PlanThreads planThreads_;
    Planner planner_;
};

Proxy::Impl::Impl(const Options& options)
    : options_(options),
      trouble_(options.log, &options.shared->counters()),
      watcher_(&options.shared->claims(), &options.shared->workers(), options.self.index),
      pool_(poolOptions(options)),
      hits_(hitOptions(options)),
      verifier_(verifierOptions()),
      planThreads_([this](SessionPtr session) { step(std::move(session)); }),
      planner_(plannerOptions()) {
    prepareContext();
    watcher_.setTick([this] {
        pool_.expire();
        planThreads_.post([this] { hits_.expire(); });
    });
}

UpstreamPool::Options Proxy::Impl::poolOptions(const Options& options) {
    UpstreamPool::Options pool;
    pool.smallThreads = options.smallThreads;
    pool.fillThreads = options.fillThreads;
    pool.fillsPerUpstream = options.fillsPerUpstream;
    pool.passThreads = options.passThreads;
    pool.queueTimeout = options.firstByteTimeout;
    pool.expired = refused("too many downloads from this upstream at once; try again");
    pool.stopped = refused("the proxy is stopping");
    return pool;
}

HitCache::Options Proxy::Impl::hitOptions(const Options& options) {
    HitCache::Options hits;
    hits.maxFiles = options.openFiles;
    hits.onlyInMemory = options.verifyOnRead == VerifyOnRead::kAlways;
    hits.generation = &options.shared->storeGeneration();
    return hits;
}

ReadVerifier::Options Proxy::Impl::verifierOptions() const {
    ReadVerifier::Options verifier;
    verifier.mode = options_.verifyOnRead;
    verifier.store = options_.store;
    verifier.counters = &options_.shared->counters();
    return verifier;
}

Planner::Options Proxy::Impl::plannerOptions() {
    Planner::Options planner;
    planner.store = options_.store;
    planner.claims = &options_.shared->claims();
    planner.client = options_.client;
    planner.followers = this;
    planner.trouble = &trouble_;
    planner.verifier = &verifier_;
    planner.self = options_.self.index;
    planner.followAfter = options_.followAfter;
    planner.unverifiedRanges = options_.unverifiedRanges;
    planner.linkTtl = options_.linkTtl;
    planner.staleMax = options_.staleMax;
    return planner;
}

void Proxy::Impl::prepareContext() {
    context_.self = options_.self;
    context_.claims = &options_.shared->claims();
    context_.counters = &options_.shared->counters();
    context_.store = options_.store;
    context_.client = options_.client;
    context_.log = options_.log;
    context_.trouble = &trouble_;
    context_.budget = &options_.shared->budget();
    context_.replanner = this;
    context_.firstByteTimeout = options_.firstByteTimeout;
    context_.failureKeep = options_.failureKeep;
    context_.finishBelow = options_.finishBelow;
    context_.keepPartials = options_.keepPartials;
}

void Proxy::Impl::start() {
    planThreads_.start(kPlanThreads);
    watcher_.start();
}

// The order matters: works release sessions to the planners, planners hand them to
// watcher and pool; with `stopping` set they are all answered instead.
void Proxy::Impl::stop() {
    context_.stopping = true;
    pool_.stop();
    watcher_.stop();
    planThreads_.stop();
    verifier_.stop();
}

// A request that may have been here before is left to the plan, which looks.
std::optional<Reply> Proxy::Impl::immediateReply(const Request& request) {
    if (request.method == Method::kOther || request.hasBody) return std::nullopt;
    if (request.headers.has("Via")) return std::nullopt;
    return hits_.reply(request);
}

void Proxy::Impl::handle(std::shared_ptr<Exchange> exchange) {
    const Request& request = exchange->request();
    TargetResult chosen;
    std::optional<Reply> reply = localReply(request, &chosen);
    if (reply) {
        addCommonHeaders({}, &*reply);
        exchange->reply(std::move(*reply));
        return;
    }
    SessionPtr session = std::make_shared<Session>(std::move(exchange), std::move(*chosen.target));
    session->findings.began = now();
    session->findings.beganWall = wallSeconds();
    session->findings.deadline = session->findings.began + options_.firstByteTimeout;
    step(std::move(session));
}

// What needs neither store nor upstream; otherwise `*chosen` has a target.
std::optional<Reply> Proxy::Impl::localReply(const Request& request, TargetResult* chosen) {
    if (request.method == Method::kOther) return methodNotAllowed(request.methodText);
    if (request.hasBody) {
        return errorReplyOf(400, ErrorCode::kUnsupported, "a request with a body is not served");
    }
    if (request.headers.joined("Via").find(options_.instanceId) != std::string::npos) {
        return errorReplyOf(502, ErrorCode::kUnavailable,
                            "this request has come back to the proxy that sent it");
    }
    const RouteResult parsed = parseRoute(request.target);
    if (!parsed.route) return routeErrorReply(parsed.error);
    const Operation operation = parsed.route->operation;
    if (operation == Operation::kPing) return pingReply();
    *chosen = chooseTarget(*parsed.route, request.host, *options_.directory);
    if (!chosen->target) return routeErrorReply(chosen->error);
    if (operation == Operation::kBlob || operation == Operation::kManifest) return {};
    return errorReplyOf(404, ErrorCode::kUnsupported, "this endpoint is not served");
}

void Proxy::Impl::step(SessionPtr session) noexcept {
    try {
        if (context_.stopping) session->findings.refusal = unavailable("the proxy is stopping");
        advance(session);
    } catch (const std::exception& e) {
        options_.log->error(cat(session->target.where.upstream, "/",
                                session->target.where.repository, ": ", e.what()));
        const Refusal refusal = refusalFor(failureOf(FillFailure::kStore), session->target);
        deliver(*session, refusalReply(refusal, cacheError(refusal, session->findings)));
    }
}

void Proxy::Impl::advance(const SessionPtr& session) {
    const std::uint64_t generation = hits_.generation();
    Step step = planner_.plan(session->exchange->request(), session->target, &session->findings);
    if (Reply* reply = std::get_if<Reply>(&step)) {
        if (!remember(session.get(), generation)) return planAnew(session);
        deliver(*session, std::move(*reply));
    } else if (const Wait* wait = std::get_if<Wait>(&step)) {
        watcher_.awaitChange(wait->key, wait->seen, wait->until,
                             [this, session] { replan(session); });
    } else {
        pool_.submit(makeWork(std::get<WorkOrder>(step), session->target, &context_), session);
    }
}

void Proxy::Impl::deliver(const Session& session, Reply reply) noexcept {
    addCommonHeaders(session.target.nsAsReceived, &reply);
    session.exchange->reply(std::move(reply));
}

// Before the reply is on its way: who has it and asks again finds it here. False: what it
// is about to send is damaged.
bool Proxy::Impl::remember(Session* session, std::uint64_t generation) {
    if (!session->findings.hit) return true;
    const HitFacts hit = *std::exchange(session->findings.hit, std::nullopt);
    if (hits_.put(session->exchange->request(), hit, session->target.nsAsReceived, generation)) {
        return true;
    }
    verifier_.setAside(hit.facts.digest, hit.content, "does not hash to its name");
    return false;
}

// What was damaged has been set aside, so that it is a miss now. If it could not be, nothing
// better comes of a third plan.
void Proxy::Impl::planAnew(const SessionPtr& session) {
    if (session->findings.damaged) {
        session->findings.refusal =
            refusalFor(failureOf(FillFailure::kStore), session->target);
    }
    session->findings.damaged = true;
    advance(session);
}

// The disk gave no bytes when they were to be sent: whether it ever does is found out where
// nobody waits.
void Proxy::Impl::suspect(const Request& request) noexcept {
    try {
        const RouteResult parsed = parseRoute(request.target);
        if (!parsed.route || !parsed.route->reference) return;
        const Reference& reference = *parsed.route->reference;
        if (!reference.isDigest()) return;
        const bool blob = parsed.route->operation == Operation::kBlob;
        const ContentKind kind = blob ? ContentKind::kBlob : ContentKind::kManifest;
        planThreads_.post([this, digest = reference.digest(), kind] { look(digest, kind); });
    } catch (const std::exception& e) {
        options_.log->warning(e.what());
    }
}

void Proxy::Impl::look(const Digest& digest, ContentKind kind) {
    try {
        const std::optional<StoredContent> content = options_.store->open(digest, kind);
        if (content) verifier_.suspect(digest, *content);
    } catch (const std::exception& e) {
        options_.log->warning(e.what());
    }
}

std::shared_ptr<GrowingBody> Proxy::Impl::follow(const Target& target, const Digest& digest,
                                                 const ClaimView& view) {
    Fd file = options_.store->openTemporary(digest, view.lineage);
    if (!file) return nullptr;
    Follower::Options follower{&options_.shared->claims(), &watcher_, options_.store,
                               fillKey(target, digest), digest, target.kind(),
                               [this, target, digest] { takeOver(target, digest); },
                               &options_.shared->counters(),
                               [this, target, digest](Continuation::Part part) {
                                   return goOn(target, digest, std::move(part));
                               }};
    return std::make_shared<Follower>(std::move(follower), view, std::move(file));
}

void Proxy::Impl::takeOver(const Target& target, const Digest& digest) {
    WorkOrder order;
    order.digest = digest;
    pool_.submit(makeWork(order, target, &context_), nullptr);
}

std::shared_ptr<StreamSource> Proxy::Impl::goOn(const Target& target, const Digest& digest,
                                                Continuation::Part part) {
    const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(context_.pace);
    std::shared_ptr<StreamSource> reader = pipe->reader();
    pool_.submit(std::make_shared<Continuation>(digest, std::move(part), pipe, target, &context_),
                 nullptr);
    return reader;
}

Proxy::Proxy(const Options& options) : impl_(std::make_unique<Impl>(options)) {}

Proxy::~Proxy() { stop(); }

void Proxy::start() { impl_->start(); }

bool Proxy::filling() const noexcept { return impl_->filling(); }

void Proxy::stop() { impl_->stop(); }

std::optional<Reply> Proxy::immediateReply(const Request& request) noexcept {
    try {
        return impl_->immediateReply(request);
    } catch (const std::exception&) {
        return std::nullopt;  // out of memory, if anything: the plan will say so
    }
}

void Proxy::handle(std::shared_ptr<Exchange> exchange) noexcept {
    try {
        impl_->handle(exchange);
    } catch (const std::exception& e) {
        impl_->options().log->error(cat("request failed: ", e.what()));
        exchange->reply(errorReply(500, "internal error"));
    }
}

Reply Proxy::errorReply(int status, std::string_view message) noexcept {
    Reply reply = errorReplyOf(status, codeForStatus(status), message);
    if (status == 503) reply.headers.set("Retry-After", "1");
    addCommonHeaders({}, &reply);
    return reply;
}

// The counters first: whoever has seen the line finds them complete.
void Proxy::finished(const Finished& finished) noexcept {
    countRequest(finished, &impl_->options().shared->counters());
    if (finished.fileError != 0 && finished.request) impl_->suspect(*finished.request);
    LogFile* log = impl_->options().accessLog;
    if (log && log->enabled()) log->writeLine(accessLine(finished, log->format()));
}

}  // namespace ociproxy
