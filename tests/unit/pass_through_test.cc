// Content that goes past the store, from a scripted upstream to one session.
#include "proxy/pass_through.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/shm/counters.h"
#include "proxy/passed_reply.h"
#include "support/works_fixture.h"

namespace ociproxy {
namespace {

constexpr const char* kType = "application/vnd.oci.image.manifest.v1+json";

// A plain value: what came out of a stream.
struct Read {
    std::string bytes;
    StreamSource::State end = StreamSource::State::kRunning;
};

Read readAllOf(StreamSource* source) {
    Read read;
    for (;;) {
        const StreamSource::Look look = source->look();
        read.end = look.state;
        if (look.state == StreamSource::State::kBroken) return read;
        read.bytes += look.ready;
        if (look.ready.empty() && look.state == StreamSource::State::kComplete) return read;
        if (look.ready.empty()) std::this_thread::yield();
        source->consume(look.ready.size());
    }
}

// Hands the reader of the first released stream to a thread of its own, as the front would.
class ReadingReplanner : public Replanner {
public:
    ~ReadingReplanner() override { join(); }
    void replan(SessionPtr session) override {
        session_ = session;
        const std::optional<Passed>& passed = session->findings.passed;
        if (!passed || !passed->stream) return;
        thread_ = std::thread([this, stream = passed->stream] { read_ = readAllOf(stream.get()); });
    }
    Findings& findings() { return session_->findings; }
    const Read& read() {
        join();
        return read_;
    }

private:
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    SessionPtr session_;
    std::thread thread_;
    Read read_;
};

class PassThroughTest : public WorksFixture {
    CPPUNIT_TEST_SUITE(PassThroughTest);
    CPPUNIT_TEST(wholeIsVerifiedAndNotStored);
    CPPUNIT_TEST(mismatchBreaksBeforeTheLastBytes);
    CPPUNIT_TEST(shortBodyComesAsBytes);
    CPPUNIT_TEST(shortMismatchIs502);
    CPPUNIT_TEST(case43_cutBodyIsResumed);
    CPPUNIT_TEST(case44_resumeAnsweredWithTheWhole);
    CPPUNIT_TEST(case45_resumeWithAnotherRangeBreaks);
    CPPUNIT_TEST(case48_unknownLength);
    CPPUNIT_TEST(unknownLengthForAnOldClient);
    CPPUNIT_TEST(case49_encodedContentWithoutDigestIsRefused);
    CPPUNIT_TEST(case84_oneRange);
    CPPUNIT_TEST(rangeFromAnUpstreamWithoutRanges);
    CPPUNIT_TEST(rangeBeyondTheEnd);
    CPPUNIT_TEST(wrongRangeIsRefused);
    CPPUNIT_TEST(upstreamsRefusalIsPassedOn);
    CPPUNIT_TEST(bearerChallengeAsksForAToken);
    CPPUNIT_TEST(manifestComesAsBytes);
    CPPUNIT_TEST(case27_unknownAlgorithm);
    CPPUNIT_TEST(tableFullAsksForAPass);
    CPPUNIT_TEST(continuationIsVerifiedWithItsPrefix);
    CPPUNIT_TEST(continuationOfAnotherPrefixBreaks);
    CPPUNIT_TEST(continuationThatNeverRunsBreaks);
    CPPUNIT_TEST_SUITE_END();

public:
    void wholeIsVerifiedAndNotStored() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        pass(order());
        const Passed& passed = *reader_.findings().passed;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content_.size()), *passed.length);
        CPPUNIT_ASSERT(*passed.digest == *digest_);
        expectWhole();
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, count(Counter::kPassedStoreTrouble));
        const Reply reply = passedReply(Request(), target(), reader_.findings());
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(
            std::string("ociproxy; fwd=uri-miss; fwd-status=200; stored=?0; detail=store-trouble"),
            *reply.headers.find("Cache-Status"));
        CPPUNIT_ASSERT_EQUAL(digest_->text(), *reply.headers.find("Docker-Content-Digest"));
    }

    void mismatchBreaksBeforeTheLastBytes() {
        std::string flipped = content_;
        flipped[7] ^= 1;
        serve([flipped](const ScriptedRequest&) { return plainAnswer(200, "", flipped); });
        pass(order());
        CPPUNIT_ASSERT(reader_.read().end == StreamSource::State::kBroken);
        CPPUNIT_ASSERT(reader_.read().bytes.size() <= content_.size() - kHoldBack);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, count(Counter::kDigestMismatches));
    }

    void shortBodyComesAsBytes() {
        use(std::string(kHoldBack, 'x'));
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        pass(order());
        CPPUNIT_ASSERT(!reader_.findings().passed->stream);
        CPPUNIT_ASSERT(content_ == reader_.findings().passed->bytes);
    }

    void shortMismatchIs502() {
        serve([](const ScriptedRequest&) { return plainAnswer(200, "", "something else"); });
        pass(order());
        CPPUNIT_ASSERT(!reader_.findings().passed);
        CPPUNIT_ASSERT_EQUAL(502, reader_.findings().refusal->status);
    }

    void case43_cutBodyIsResumed() {
        serveScript([this](ScriptedPeer& peer) { cutThenResume(peer, 0); });
        pass(order());
        expectWhole();
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=100000-"),
                             server_->requests().back().field("Range"));
    }

    void case44_resumeAnsweredWithTheWhole() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            const std::string whole = plainAnswer(200, "", content_);
            peer.send(peer.number() == 0 ? whole.substr(0, whole.size() - 50'000) : whole);
        });
        pass(order());
        expectWhole();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
    }

    void case45_resumeWithAnotherRangeBreaks() {
        serveScript([this](ScriptedPeer& peer) { cutThenResume(peer, 5); });
        pass(order());
        CPPUNIT_ASSERT(reader_.read().end == StreamSource::State::kBroken);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
    }

    void case48_unknownLength() {
        serveChunked();
        pass(order());
        CPPUNIT_ASSERT(!reader_.findings().passed->length);
        expectWhole();
    }

    void unknownLengthForAnOldClient() {
        serveChunked();
        WorkOrder old = order();
        old.needsLength = true;
        pass(old);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content_.size()), *reader_.findings().passed->length);
        CPPUNIT_ASSERT(content_ == reader_.findings().passed->bytes);
        use(std::string(2'000'000, 'y'));
        serveChunked();
        pass(old);
        CPPUNIT_ASSERT_EQUAL(502, reader_.findings().refusal->status);
    }

    void case49_encodedContentWithoutDigestIsRefused() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(200, "Content-Encoding: gzip\r\n", content_);
        });
        pass(order());
        expectWhole();  // its raw bytes are what the digest says
        WorkOrder part = order();
        part.last = 9;
        pass(part);
        CPPUNIT_ASSERT_EQUAL(502, reader_.findings().refusal->status);
    }

    void case84_oneRange() {
        serve([this](const ScriptedRequest& request) {
            CPPUNIT_ASSERT_EQUAL(std::string("bytes=1000-1999"), request.field("Range"));
            return plainAnswer(206, cat("Content-Range: bytes 1000-1999/", content_.size(), "\r\n"),
                               content_.substr(1000, 1000));
        });
        pass(part(1000, 1999));
        CPPUNIT_ASSERT_EQUAL(content_.substr(1000, 1000), reader_.read().bytes);
        CPPUNIT_ASSERT(reader_.read().end == StreamSource::State::kComplete);
        const Reply reply = passedReply(Request(), target(), reader_.findings());
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT_EQUAL(cat("bytes 1000-1999/", content_.size()),
                             *reply.headers.find("Content-Range"));
        CPPUNIT_ASSERT(reply.headers.find("Cache-Status")->find("detail=unverified") !=
                       std::string::npos);
    }

    void rangeFromAnUpstreamWithoutRanges() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        pass(part(content_.size() - 4, content_.size() + 100));
        CPPUNIT_ASSERT_EQUAL(std::string("tail"), reader_.read().bytes);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, *reader_.findings().passed->length);
    }

    void rangeBeyondTheEnd() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(416, "Content-Range: bytes */300004\r\n", "");
        });
        pass(part(400'000, 500'000));
        const Reply reply = passedReply(Request(), target(), reader_.findings());
        CPPUNIT_ASSERT_EQUAL(416, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("bytes */300004"), *reply.headers.find("Content-Range"));
    }

    void wrongRangeIsRefused() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(206, cat("Content-Range: bytes 999-1998/", content_.size(), "\r\n"),
                               content_.substr(999, 1000));
        });
        pass(part(1000, 1999));
        CPPUNIT_ASSERT_EQUAL(502, reader_.findings().refusal->status);
    }

    void upstreamsRefusalIsPassedOn() {
        serve([](const ScriptedRequest&) { return plainAnswer(404, "", ""); });
        pass(order());
        CPPUNIT_ASSERT_EQUAL(404, reader_.findings().refusal->status);
    }

    void bearerChallengeAsksForAToken() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(401, "WWW-Authenticate: Bearer realm=\"http://127.0.0.1/t\"\r\n", "");
        });
        pass(order());
        CPPUNIT_ASSERT(!reader_.findings().refusal);
        CPPUNIT_ASSERT_EQUAL(1u, reader_.findings().unauthorized);
    }

    void manifestComesAsBytes() {
        use(cat("{\"schemaVersion\":2,\"mediaType\":\"", kType, "\",\"config\":{},\"layers\":[]}"));
        serve([this](const ScriptedRequest&) {
            return plainAnswer(200, cat("Content-Type: ", kType, "\r\n"), content_);
        });
        pass(order(), fixture_->manifestTarget("a", digest_->text()));
        CPPUNIT_ASSERT_EQUAL(content_, reader_.findings().passed->bytes);
        CPPUNIT_ASSERT_EQUAL(std::string(kType), reader_.findings().passed->mediaType);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
    }

    void case27_unknownAlgorithm() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        Target foreign = target();
        foreign.reference = Reference::foreign("sha3-256:" + std::string(64, 'a'));
        WorkOrder unverified = order();
        unverified.digest.reset();
        unverified.reason = PassReason::kUnknownAlgorithm;
        pass(unverified, foreign);
        CPPUNIT_ASSERT_EQUAL("/v2/a/blobs/" + foreign.reference->text(),
                             server_->onlyRequest().target);
        expectWhole();
        const Reply reply = passedReply(Request(), foreign, reader_.findings());
        CPPUNIT_ASSERT(!reply.headers.has("Docker-Content-Digest") && !reply.headers.has("ETag"));
        CPPUNIT_ASSERT_EQUAL(
            std::string("ociproxy; fwd=bypass; fwd-status=200; stored=?0; detail=unverified"),
            *reply.headers.find("Cache-Status"));
    }

    void tableFullAsksForAPass() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        ClaimTable& claims = fixture_->shared.claims();
        unsigned inVain = 0;  // in a row: then no bucket has room
        for (unsigned i = 0; inVain < 5'000; ++i) {
            const ClaimKey key = claimKey({"other", std::to_string(i)});
            const bool owner = claims.claim(key, fixture_->self, {}).outcome ==
                               ClaimTable::Outcome::kOwner;
            inVain = owner ? 0 : inVain + 1;
        }
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(session->findings.passReason == PassReason::kTableFull);
        CPPUNIT_ASSERT(!session->findings.refusal);
        CPPUNIT_ASSERT(server_->requests().empty());
        CPPUNIT_ASSERT(count(Counter::kClaimTableFull) > 0);
        CPPUNIT_ASSERT(runConfirm()->findings.confirmed);  // what is small goes on alone
    }

    void continuationIsVerifiedWithItsPrefix() {
        serve([this](const ScriptedRequest& request) {
            CPPUNIT_ASSERT_EQUAL(std::string("bytes=200000-"), request.field("Range"));
            return plainAnswer(206, rangeField(200'000), content_.substr(200'000));
        });
        const Read rest = goOn(content_.substr(0, 200'000));
        CPPUNIT_ASSERT(rest.end == StreamSource::State::kComplete);
        CPPUNIT_ASSERT(content_.substr(200'000) == rest.bytes);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, count(Counter::kPassedForsaken));
    }

    void continuationOfAnotherPrefixBreaks() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(206, rangeField(200'000), content_.substr(200'000));
        });
        const Read rest = goOn(std::string(200'000, 'z'));
        CPPUNIT_ASSERT(rest.end == StreamSource::State::kBroken);
        CPPUNIT_ASSERT(rest.bytes.size() <= content_.size() - 200'000 - kHoldBack);
    }

    void continuationThatNeverRunsBreaks() {
        serve([](const ScriptedRequest&) { return std::string(); });
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(PipePace{});
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        std::make_shared<Continuation>(*digest_, Continuation::Part(), pipe, target(),
                                       context_.get())
            .reset();
        CPPUNIT_ASSERT(reader->look().state == StreamSource::State::kBroken);
    }

private:
    void use(const std::string& content) {
        content_ = content;
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
    }
    void serveChunked() {
        serve([this](const ScriptedRequest&) {
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(content_) +
                   "0\r\n\r\n";
        });
    }
    Target target() const { return fixture_->blobTarget("a", *digest_); }
    WorkOrder order() const {
        WorkOrder order;
        order.kind = WorkKind::kPassThrough;
        order.digest = digest_;
        return order;
    }
    WorkOrder part(std::uint64_t first, std::uint64_t last) const {
        WorkOrder part = order();
        part.reason = PassReason::kFarRange;
        part.first = first;
        part.last = last;
        return part;
    }
    void pass(const WorkOrder& order) { pass(order, target()); }
    void pass(const WorkOrder& order, const Target& target) {
        context_->replanner = &reader_;
        const WorkPtr work = makeWork(order, target, context_.get());
        CPPUNIT_ASSERT(work->join(std::make_shared<Session>(nullptr, target)));
        work->run();
    }
    void expectWhole() {
        CPPUNIT_ASSERT(reader_.read().end == StreamSource::State::kComplete);
        CPPUNIT_ASSERT(content_ == reader_.read().bytes);
    }
    std::uint64_t count(Counter counter) const {
        return fixture_->shared.counters().get(counter);
    }
    Read goOn(const std::string& prefix) {
        const int file = ::memfd_create("prefix", MFD_CLOEXEC);
        pwriteAll(file, prefix.data(), prefix.size(), 0, "prefix");
        Continuation::Part part;
        part.file = std::make_shared<const Fd>(file);
        part.offset = prefix.size();
        part.end = content_.size();
        part.total = content_.size();
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(PipePace{});
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        Continuation(*digest_, std::move(part), pipe, target(), context_.get()).run();
        return readAllOf(reader.get());
    }

    ReadingReplanner reader_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PassThroughTest);

}  // namespace
}  // namespace ociproxy
