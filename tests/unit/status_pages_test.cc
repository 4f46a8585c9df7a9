#include "ociproxy/proxy/status_pages.h"

#include <memory>
#include <set>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "proxy/failure_cause.h"
#include "proxy/failure_map.h"
#include "proxy/fill_count.h"
#include "proxy/request_result.h"
#include "support/exposition_reader.h"

namespace ociproxy {

namespace {

class KeptExchange : public Exchange {
public:
    explicit KeptExchange(Request request) : request_(std::move(request)) {}
    const Request& request() const noexcept override { return request_; }
    void reply(Reply reply) noexcept override { reply_ = std::move(reply); }
    const Reply& given() const { return reply_; }

private:
    Request request_;
    Reply reply_;
};

}  // namespace

class StatusPagesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusPagesTest);
    CPPUNIT_TEST(onlyThreePagesAreServed);
    CPPUNIT_TEST(readyNeedsAWorkerAndTheCache);
    CPPUNIT_TEST(metricsAreReadable);
    CPPUNIT_TEST(countsReachThePage);
    CPPUNIT_TEST(repliesHaveOneResult);
    CPPUNIT_TEST(requestsWithoutReplyHaveNone);
    CPPUNIT_TEST(causesHaveNames);
    CPPUNIT_TEST(aFillHasAtMostOneEnd);
    CPPUNIT_TEST_SUITE_END();

public:
    void onlyThreePagesAreServed() {
        CPPUNIT_ASSERT_EQUAL(std::string("ok\n"), textOf(ask("/healthz")));
        CPPUNIT_ASSERT_EQUAL(200, ask("/metrics?x=y").status);
        for (const char* path : {"/", "/metric", "/metrics/", "/v2/", "/healthz/x", "*"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(path, 404, ask(path).status);
        }
        const Reply refused = ask("/healthz", Method::kOther);
        CPPUNIT_ASSERT_EQUAL(405, refused.status);
        CPPUNIT_ASSERT_EQUAL(std::string("GET, HEAD"), *refused.headers.find("Allow"));
        CPPUNIT_ASSERT_EQUAL(400, ask("/healthz", Method::kGet, true).status);
        CPPUNIT_ASSERT_EQUAL(200, ask("/healthz", Method::kHead).status);
        CPPUNIT_ASSERT_EQUAL(431, pages_.errorReply(431, "too long").status);
    }

    void readyNeedsAWorkerAndTheCache() {
        CPPUNIT_ASSERT_EQUAL(std::string("no worker accepts connections\n"
                                         "the cache cannot be written to; see the log\n"),
                             textOf(ask("/readyz")));
        const WorkerId worker = shared_.workers().raise(3);
        shared_.workers().setAccepting(worker, true);
        CPPUNIT_ASSERT_EQUAL(503, ask("/readyz").status);
        shared_.counters().set(Gauge::kStoreWritable, 1);
        CPPUNIT_ASSERT_EQUAL(200, ask("/readyz").status);
        shared_.workers().raise(3);  // it died
        CPPUNIT_ASSERT_EQUAL(std::string("no worker accepts connections\n"),
                             textOf(ask("/readyz")));
        CPPUNIT_ASSERT_EQUAL(200, ask("/healthz").status);
    }

    void metricsAreReadable() {
        const Reply reply = ask("/metrics");
        CPPUNIT_ASSERT_EQUAL(std::string("text/plain; version=0.0.4; charset=utf-8"),
                             *reply.headers.find("Content-Type"));
        const ExpositionPage page = readExposition(textOf(reply));
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_build_info{version=\"1.2-\\\"x\\\"\"}"));
        for (const char* result : {"hit", "miss", "follow", "stale", "bypass", "error", "local"}) {
            const std::string label = cat("{result=\"", result, "\"}");
            CPPUNIT_ASSERT_EQUAL(0.0, page.at("ociproxy_requests_total" + label));
            CPPUNIT_ASSERT_EQUAL(0.0, page.at("ociproxy_request_duration_seconds_sum" + label));
        }
        for (const auto& [name, type] : page.types) {
            CPPUNIT_ASSERT_MESSAGE(name, startsWith(name, "ociproxy_"));
        }
    }

    void countsReachThePage() {
        Counters& counters = shared_.counters();
        counters.finished(RequestResult::kFollow, Micros{400}, Micros{1'500'000});
        counters.add(Counter::kLogDropped, 5);
        counters.change(WorkerGauge::kConnectionsBlocked, 2);
        counters.change(WorkerGauge::kFollowers, -1);  // between two additions
        counters.set(Gauge::kStoreBytes, 77);
        shared_.upstreams().observe("quay.io", UpstreamOutcome::k4xx, Micros{1});
        shared_.claims().claim(claimKey({"a"}), shared_.workers().raise(0), Sha256{});
        const ExpositionPage page = readExposition(textOf(ask("/metrics")));
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_requests_total{result=\"follow\"}"));
        CPPUNIT_ASSERT_EQUAL(
            1.5, page.at("ociproxy_request_duration_seconds_sum{result=\"follow\"}"));
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_request_first_byte_seconds_bucket{"
                                          "result=\"follow\",le=\"0.0005\"}"));
        CPPUNIT_ASSERT_EQUAL(5.0, page.at("ociproxy_log_records_dropped_total"));
        CPPUNIT_ASSERT_EQUAL(2.0, page.at("ociproxy_connections{state=\"blocked\"}"));
        CPPUNIT_ASSERT_EQUAL(0.0, page.at("ociproxy_followers"));
        CPPUNIT_ASSERT_EQUAL(77.0, page.at("ociproxy_cache_bytes"));
        CPPUNIT_ASSERT_EQUAL(
            1.0, page.at("ociproxy_upstream_requests_total{upstream=\"quay.io\",code=\"4xx\"}"));
        CPPUNIT_ASSERT_EQUAL(
            1.0, page.at("ociproxy_upstream_request_duration_seconds_count{upstream=\"quay.io\"}"));
        CPPUNIT_ASSERT_EQUAL(64.0, page.at("ociproxy_claim_slots"));
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_claims{state=\"running\"}"));
    }

    void repliesHaveOneResult() {
        const struct {
            int status;
            const char* word;
            RequestResult result;
        } kCases[] = {
            {200, "hit", RequestResult::kHit},          {304, "hit", RequestResult::kHit},
            {206, "revalidated", RequestResult::kHit},  {200, "miss", RequestResult::kMiss},
            {200, "collapsed", RequestResult::kFollow}, {200, "stale", RequestResult::kStale},
            {200, "local", RequestResult::kLocal},      {404, "local", RequestResult::kError},
            {416, "hit", RequestResult::kError},        {502, "error", RequestResult::kError},
            {400, "", RequestResult::kError},           {200, "bypass", RequestResult::kBypass},
        };
        for (const auto& each : kCases) {
            CPPUNIT_ASSERT_MESSAGE(cat(each.status, each.word),
                                   resultOf(each.status, each.word) == each.result);
        }
    }

    void requestsWithoutReplyHaveNone() {
        Finished finished;
        finished.status = 200;
        finished.cacheResult = "hit";
        finished.bodyBytes = 10;
        countRequest(finished, &shared_.counters());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, hits());
        finished.firstByte = Micros{1};
        countRequest(finished, &shared_.counters());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, hits());
        finished.cacheResult = "miss";
        countRequest(finished, &shared_.counters());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, shared_.counters().get(Counter::kBytesSaved));
    }

    void causesHaveNames() {
        std::set<std::string> names;
        for (std::uint32_t i = 0; i < failureCauses(); ++i) names.insert(failureCauseName(i));
        CPPUNIT_ASSERT_EQUAL(std::size_t{failureCauses()}, names.size());
        CPPUNIT_ASSERT_EQUAL(std::string("length"), causeOf(failureOf(FillFailure::kLength)));
        CPPUNIT_ASSERT_EQUAL(std::string("loop"),
                             causeOf(failureOf(UpstreamError(UpstreamFailure::kLoop, ""))));
        ClaimFailure unknown;
        unknown.kind = 4711;
        CPPUNIT_ASSERT_EQUAL(std::string("other"), causeOf(unknown));
    }

    void aFillHasAtMostOneEnd() {
        Counters& counters = shared_.counters();
        {
            FillCount fill(&counters, true);
            CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, counters.get(WorkerGauge::kFillsRunning));
            fill.committed();
            fill.failed(failureOf(FillFailure::kStore));
        }
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, counters.get(WorkerGauge::kFillsRunning));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters.get(Counter::kFillsCommitted));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters.get(Counter::kFillsTakenOver));
        const std::uint32_t store = failureCause(failureOf(FillFailure::kStore));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters.fillsFailed(store));
        FillCount(&counters, false).failed(failureOf(FillFailure::kStore));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters.fillsFailed(store));
    }

private:
    Reply ask(const std::string& target, Method method = Method::kGet, bool hasBody = false) {
        Request request;
        request.method = method;
        request.target = target;
        request.hasBody = hasBody;
        const std::shared_ptr<KeptExchange> exchange =
            std::make_shared<KeptExchange>(std::move(request));
        pages_.handle(exchange);
        return exchange->given();
    }

    static std::string textOf(const Reply& reply) { return std::get<BytesBody>(reply.body).bytes; }

    static std::string causeOf(const ClaimFailure& failure) {
        return failureCauseName(failureCause(failure));
    }

    std::uint64_t hits() { return shared_.counters().duration(RequestResult::kHit).count(); }

    SharedState shared_{SharedState::Options{64, 4}};
    StatusPages pages_{{&shared_, "1.2-\"x\""}};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusPagesTest);

}  // namespace ociproxy
