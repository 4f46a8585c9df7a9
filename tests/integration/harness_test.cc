// The harness itself: what the fake registry does arrives at the test client, without
// a proxy between them.
#include <filesystem>

#include "integration/integration_test.h"

#include "integration/fake_tokens.h"

namespace ociproxy::itest {

class HarnessTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(HarnessTest);
    OCIPROXY_INTEGRATION_TEST(registryServesAndCounts);
    OCIPROXY_INTEGRATION_TEST(registryServesRanges);
    OCIPROXY_INTEGRATION_TEST(registryServesChunks);
    OCIPROXY_INTEGRATION_TEST(clientSeesEachKindOfCut);
    OCIPROXY_INTEGRATION_TEST(registryLies);
    OCIPROXY_INTEGRATION_TEST(registryStopsAtGates);
    OCIPROXY_INTEGRATION_TEST(behaviourWearsOff);
    OCIPROXY_INTEGRATION_TEST(registryWantsTokens);
    OCIPROXY_INTEGRATION_TEST(registryStopsAndStartsAgain);
    OCIPROXY_INTEGRATION_TEST(crowdReportsFailures);
    OCIPROXY_INTEGRATION_TEST(storeViewSeesDamage);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(200 * kKiB);
        path_ = blobPath("a", up().addBlob("a", bytes_));
    }

    void registryServesAndCounts() {
        TestClient client(up().port());
        assertServed(client.get(path_), bytes_);
        const Response head = client.head(path_);
        CPPUNIT_ASSERT_EQUAL(std::string("204800"), head.header("content-length"));
        CPPUNIT_ASSERT_EQUAL(digestText(bytes_), head.header("Docker-Content-Digest"));
        CPPUNIT_ASSERT(head.body.empty() && head.complete());
        CPPUNIT_ASSERT_EQUAL(404, client.get("/v2/a/blobs/x?y=1").status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", path_));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobHeads());
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, up().calls());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, up().connections());
        CPPUNIT_ASSERT_EQUAL(std::string("y=1"), up().lastRequest("/v2/a/blobs/x").query);
    }

    void registryServesRanges() {
        Response part = fetch(up().port(), path_, {{"Range", "bytes=100-199"}});
        CPPUNIT_ASSERT_EQUAL(206, part.status);
        CPPUNIT_ASSERT_EQUAL(std::string("bytes 100-199/204800"), part.header("Content-Range"));
        CPPUNIT_ASSERT(part.body == bytes_.substr(100, 100));
        Behaviour without;
        without.ranges = false;
        up().behave(path_, without);
        assertServed(fetch(up().port(), path_, {{"Range", "bytes=100-"}}), bytes_);
    }

    void registryServesChunks() {
        Behaviour chunked;
        chunked.chunked = true;
        up().behave(path_, chunked);
        assertServed(fetch(up().port(), path_), bytes_);
        chunked.lastChunk = false;
        up().behave(path_, chunked);
        CPPUNIT_ASSERT(fetch(up().port(), path_).ending == Ending::kShort);
    }

    void clientSeesEachKindOfCut() {
        Behaviour cut;
        cut.cutAfter = 1000;
        up().behave(path_, cut);
        Response response = fetch(up().port(), path_);
        CPPUNIT_ASSERT(response.ending == Ending::kShort && response.bodySize == 1000);
        cut.resetOnCut = true;
        up().behave(path_, cut);
        CPPUNIT_ASSERT(fetch(up().port(), path_).ending == Ending::kReset);
        assertNotServed(response);
    }

    void registryLies() {
        Behaviour lie;
        lie.flipAt = 150'000;
        up().behave(path_, lie);
        const Response flipped = fetch(up().port(), path_);
        CPPUNIT_ASSERT(flipped.complete() && flipped.bodySize == bytes_.size());
        CPPUNIT_ASSERT(flipped.digest != digestText(bytes_));
        lie = Behaviour();
        lie.lengthError = 1;
        up().behave(path_, lie);
        CPPUNIT_ASSERT(fetch(up().port(), path_).ending == Ending::kShort);
        lie.lengthError = -1;
        up().behave(path_, lie);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{bytes_.size() - 1}, fetch(up().port(), path_).bodySize);
    }

    void registryStopsAtGates() {
        Behaviour stop;
        stop.beforeHead = std::make_shared<Gate>();
        stop.inBody = std::make_shared<Gate>();
        stop.gateAt = 70'000;
        up().behave(path_, stop);
        TestClient client(up().port());
        client.send("GET", path_);
        stop.beforeHead->awaitArrivals(1);
        CPPUNIT_ASSERT(!client.hasInput());
        stop.beforeHead->open();
        Response response = client.readHead();
        client.readBody(&response, 70'000);
        stop.inBody->awaitArrivals(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{70'000}, response.bodySize);
        CPPUNIT_ASSERT(client.silentFor(milliseconds(20)));
        stop.inBody->open();
        client.finish(&response);
        assertServed(response, bytes_);
    }

    void behaviourWearsOff() {
        Behaviour once;
        once.times = 1;
        once.status = 503;
        once.method = "GET";
        up().behave(path_, once);
        CPPUNIT_ASSERT_EQUAL(200, fetchHead(up().port(), path_).status);
        CPPUNIT_ASSERT_EQUAL(503, fetch(up().port(), path_).status);
        CPPUNIT_ASSERT_EQUAL(200, fetch(up().port(), path_).status);
    }

    void registryWantsTokens() {
        const std::shared_ptr<TokenMint> mint = std::make_shared<TokenMint>();
        up().serveTokens(mint);
        up().requireTokens(mint, {"", up().url() + "/token", "s", ""});
        const Response refused = fetch(up().port(), path_);
        CPPUNIT_ASSERT_EQUAL(401, refused.status);
        CPPUNIT_ASSERT_EQUAL(cat("Bearer realm=\"", up().url(), "/token\",service=\"s\""),
                             refused.header("WWW-Authenticate"));
        const Response reply = fetch(up().port(), "/token?scope=x");
        const std::string token = *mint->issued().begin();
        CPPUNIT_ASSERT_EQUAL(cat("{\"token\":\"", token, "\",\"expires_in\":300}"), reply.body);
        assertServed(fetch(up().port(), path_, {{"Authorization", "Bearer " + token}}), bytes_);
        mint->revokeAll();
        CPPUNIT_ASSERT_EQUAL(
            401, fetch(up().port(), path_, {{"Authorization", "Bearer " + token}}).status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
    }

    void registryStopsAndStartsAgain() {
        TestClient client(up().port());
        assertServed(client.get(path_), bytes_);
        up().stop();
        CPPUNIT_ASSERT(client.closedByPeer());
        CPPUNIT_ASSERT_THROW(TestClient(up().port()), std::exception);
        up().start();
        assertServed(fetch(up().port(), path_), bytes_);
    }

    void crowdReportsFailures() {
        Crowd crowd(8, [&](unsigned index) {
            assertServed(fetch(up().port(), path_), index == 3 ? std::string() : bytes_);
        });
        CPPUNIT_ASSERT_THROW(crowd.join(), CppUnit::Exception);
        CPPUNIT_ASSERT_EQUAL(std::size_t{8}, up().blobGets());
    }

    void storeViewSeesDamage() {
        TempRoot root;
        const StoreView view(root.path());
        const std::string digest = digestText(bytes_);
        const std::string file = view.blobPath(digest);
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        writeFile(file, bytes_);
        CPPUNIT_ASSERT(view.has(digest));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, view.blobFiles().size());
        CPPUNIT_ASSERT(view.damaged().empty());
        writeFile(file, bytes_.substr(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, view.damaged().size());
    }

private:
    std::string bytes_;
    std::string path_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(HarnessTest);

}  // namespace ociproxy::itest
