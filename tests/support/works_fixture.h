// What tests of works stand on: a scripted upstream, and works that run on the test's own
// thread and leave their sessions to it.
#ifndef OCIPROXY_TESTS_SUPPORT_WORKS_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_WORKS_FIXTURE_H

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cppunit/TestAssert.h>
#include <cppunit/TestFixture.h>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"
#include "proxy/claim_keys.h"
#include "proxy/work_context.h"
#include "support/proxy_fixture.h"
#include "support/scripted_server.h"

namespace ociproxy {

// Keeps the sessions that a work has released. One thread.
class KeepingReplanner : public Replanner {
public:
    void replan(SessionPtr session) override { sessions.push_back(std::move(session)); }
    std::vector<SessionPtr> sessions;
};

// One blob in repository "a" of the fixture's upstream. A test calls serve() or
// serveScript() first: they make the server and the proxy's surroundings.
class WorksFixture : public CppUnit::TestFixture {
public:
    void setUp() override {
        content_ = std::string(300'000, 'a') + "tail";
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
        replanner_ = KeepingReplanner();
    }
    void tearDown() override {
        server_.reset();
        fixture_.reset();
    }

protected:
    static std::string plainHead(const std::string& fields) {
        return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
    }
    static std::string chunk(const std::string& data) {
        char size[32];
        std::snprintf(size, sizeof size, "%zx\r\n", data.size());
        return size + data + "\r\n";
    }
    std::string rangeField(std::uint64_t first) const {
        return cat("Content-Range: ", contentRange({first, content_.size() - 1}, content_.size()),
                   "\r\n");
    }
    // A port on which nobody listens: it was free a moment ago.
    static std::uint16_t freePort() {
        const ScriptedServer closed(ScriptedServer::saying(""));
        return closed.port();
    }

    void serveScript(ScriptedServer::Script script) {
        server_ = std::make_unique<ScriptedServer>(std::move(script));
        fixture_ = std::make_unique<ProxyFixture>(server_->port());
        prepare();
    }
    void serve(ScriptedServer::Responder responder) {
        serveScript(ScriptedServer::answering(std::move(responder)));
    }
    // The first exchange ends after 100,000 bytes; the next begins `shift` bytes off.
    void cutThenResume(ScriptedPeer& peer, std::uint64_t shift) {
        ScriptedRequest request;
        if (!peer.readRequest(&request)) return;
        if (peer.number() == 0) {
            peer.send(cat("HTTP/1.1 200 OK\r\nContent-Length: ", content_.size(), "\r\n\r\n"));
            peer.send(content_.substr(0, 100'000));
        } else {
            const std::uint64_t from = 100'000 - shift;
            peer.send(plainAnswer(206, rangeField(from), content_.substr(from)));
        }
    }

    void prepare() {
        context_ = std::make_unique<WorkContext>();
        context_->self = fixture_->self;
        context_->claims = &fixture_->shared.claims();
        context_->counters = &fixture_->shared.counters();
        context_->store = fixture_->store.get();
        context_->client = fixture_->client.get();
        context_->log = &fixture_->log;
        trouble_ = std::make_unique<StoreTrouble>(&fixture_->log, &fixture_->shared.counters());
        context_->trouble = trouble_.get();
        context_->budget = &fixture_->shared.budget();
        context_->replanner = &replanner_;
        context_->failureKeep = Millis{60'000};
    }
    WorkOrder fillOrder() const {
        WorkOrder order;
        order.kind = WorkKind::kFillBlob;
        order.digest = digest_;
        return order;
    }
    SessionPtr run(const WorkOrder& order, const Target& target) {
        const WorkPtr work = makeWork(order, target, context_.get());
        const SessionPtr session = std::make_shared<Session>(nullptr, target);
        CPPUNIT_ASSERT(work->join(session));
        work->run();
        CPPUNIT_ASSERT(!replanner_.sessions.empty());
        CPPUNIT_ASSERT(!work->join(session));  // released
        return session;
    }
    SessionPtr runFill() { return run(fillOrder(), fixture_->blobTarget("a", *digest_)); }
    SessionPtr runConfirm() {
        WorkOrder order = fillOrder();
        order.kind = WorkKind::kConfirm;
        return run(order, fixture_->blobTarget("a", *digest_));
    }
    SessionPtr runManifest(const Digest& digest) {
        WorkOrder order;
        order.kind = WorkKind::kFetchManifest;
        order.digest = digest;
        return run(order, fixture_->manifestTarget("a", digest.text()));
    }
    SessionPtr runTag() {
        WorkOrder order;
        order.kind = WorkKind::kCheckTag;
        return run(order, fixture_->manifestTarget("a", "latest"));
    }
    // A fill whose owner is dead: `bytes` bytes are in its file, and followers were
    // promised `total`.
    void leaveOrphan(std::uint64_t bytes) { leaveOrphan(bytes, content_.size()); }
    void leaveOrphan(std::uint64_t bytes, std::uint64_t total) {
        const Target target = fixture_->blobTarget("a", *digest_);
        ClaimTable& claims = fixture_->shared.claims();
        const ClaimTable::Result claim =
            claims.claim(fillKey(target, *digest_), fixture_->self, target.requester);
        const std::unique_ptr<ContentWriter> writer =
            fixture_->store->create(*digest_, claim.lineage);
        claims.start(claim.handle, total);
        writer->append(content_.data(), bytes);
        claims.progress(claim.handle, bytes);
        writer->keep();
        const WorkerId dead = fixture_->self;
        context_->self = fixture_->self = fixture_->shared.workers().raise(0);
        claims.sweep(dead);
    }
    ClaimView fillView() {
        const std::optional<ClaimView> view = fixture_->shared.claims().find(
            fillKey(fixture_->blobTarget("a", *digest_), *digest_));
        CPPUNIT_ASSERT(view.has_value());
        return *view;
    }
    void expectStored() {
        CPPUNIT_ASSERT(fillView().state == ClaimState::kCommitted);
        const std::optional<StoredContent> stored =
            fixture_->store->open(*digest_, ContentKind::kBlob);
        CPPUNIT_ASSERT(stored.has_value());
        CPPUNIT_ASSERT(content_ == readAll(stored->file->get(), content_.size() + 1, "blob"));
        CPPUNIT_ASSERT_EQUAL(0u, fixture_->store->reapTemporary({}, Millis{0}));
    }
    void expectFailed(FillFailure kind) {
        const ClaimView view = fillView();
        CPPUNIT_ASSERT(view.state == ClaimState::kFailed);
        CPPUNIT_ASSERT_EQUAL(static_cast<std::uint32_t>(kind), view.failure.kind);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
        CPPUNIT_ASSERT_EQUAL(0u, fixture_->store->reapTemporary({}, Millis{0}));
    }

    std::string content_;
    std::optional<Digest> digest_;
    KeepingReplanner replanner_;
    std::unique_ptr<ScriptedServer> server_;
    std::unique_ptr<ProxyFixture> fixture_;
    std::unique_ptr<StoreTrouble> trouble_;
    std::unique_ptr<WorkContext> context_;
};

}  // namespace ociproxy

#endif
