// Who is served what from the store (cases 58 to 61). An upstream on loopback is not
// public unless it says so.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class PermissionTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(PermissionTest);
    OCIPROXY_INTEGRATION_TEST(case58_otherRepositoryLacksTheBlob);
    OCIPROXY_INTEGRATION_TEST(case58_headOfOtherRepository);
    OCIPROXY_INTEGRATION_TEST(case58_manifestOfOtherRepository);
    OCIPROXY_INTEGRATION_TEST(case59_otherRepositoryHasTheBlob);
    OCIPROXY_INTEGRATION_TEST(case59_headRefusedMeansOneByte);
    OCIPROXY_INTEGRATION_TEST(case60_otherUpstreamLacksTheBlob);
    OCIPROXY_INTEGRATION_TEST(case60_otherUpstreamHasTheBlob);
    OCIPROXY_INTEGRATION_TEST(case60_otherUpstreamIsDown);
    OCIPROXY_INTEGRATION_TEST(case58_publicBlobInOtherRepository);
    OCIPROXY_INTEGRATION_TEST(case59_publicBlobNeedsNoConfirmation);
    OCIPROXY_INTEGRATION_TEST(case60_publicBlobThroughOtherUpstream);
    OCIPROXY_INTEGRATION_TEST(publicNoIsNotPublic);
    OCIPROXY_INTEGRATION_TEST(blobIsNoManifest);
    OCIPROXY_INTEGRATION_TEST(descriptorInAManifestIsNoProof);
    OCIPROXY_INTEGRATION_TEST(runningFillIsNotSharedWithoutPermission);
    OCIPROXY_INTEGRATION_TEST(runningFillIsSharedWithPermission);
    OCIPROXY_INTEGRATION_TEST(failuresOfOtherRepositoriesAreNotShared);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        two_ = std::make_unique<FakeRegistry>();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
    }

    void tearDown() override {
        two_.reset();
        IntegrationTest::tearDown();
    }

    void case58_otherRepositoryLacksTheBlob() {
        startWith("");
        cacheInA();
        assertError(get(blob("b", digest_)), 404, "BLOB_UNKNOWN");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().count("GET", blobPath("a", digest_)));
        assertServed(get(blob("a", digest_)), bytes_);
    }

    void case58_headOfOtherRepository() {
        startWith("");
        cacheInA();
        CPPUNIT_ASSERT_EQUAL(404, head(blob("b", digest_)).status);
    }

    void case58_manifestOfOtherRepository() {
        startWith("");
        const std::string bytes = imageManifest("config", {"layer"});
        const std::string digest = up().addManifest("a", bytes, kManifestType);
        assertServed(get(manifest("a", digest)), bytes);
        assertError(get(manifest("b", digest)), 404, "MANIFEST_UNKNOWN");
    }

    void case59_otherRepositoryHasTheBlob() {
        startWith("");
        cacheInA();
        up().addBlob("b", bytes_);
        assertServed(get(blob("b", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().blobGets());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("HEAD", blobPath("b", digest_)));
        // What was confirmed stays confirmed.
        assertServed(get(blob("b", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().calls());
    }

    void case59_headRefusedMeansOneByte() {
        startWith("");
        cacheInA();
        up().addBlob("b", bytes_);
        Behaviour refuse;
        refuse.method = "HEAD";
        refuse.status = 405;
        up().behave(blobPath("b", digest_), refuse);
        assertServed(get(blob("b", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(
            std::string("bytes=0-0"),
            up().lastRequest(blobPath("b", digest_)).fields.get("Range"));
    }

    void case60_otherUpstreamLacksTheBlob() {
        startWith("");
        cacheInA();
        assertError(get(blobPath("two/a", digest_)), 404, "BLOB_UNKNOWN");
        CPPUNIT_ASSERT(two_->calls() > 0);
    }

    void case60_otherUpstreamHasTheBlob() {
        startWith("");
        cacheInA();
        two_->addBlob("x", bytes_);
        assertServed(get(blobPath("two/x", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, two_->blobGets());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case60_otherUpstreamIsDown() {
        startWith("");
        cacheInA();
        two_->addBlob("x", bytes_);
        two_->stop();
        assertError(get(blobPath("two/x", digest_)), 502, "UNAVAILABLE");
    }

    void case58_publicBlobInOtherRepository() {
        startWith("public = yes\n");
        cacheInA();
        const Response response = get(blob("b", digest_));
        assertServed(response, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), response.header("Cache-Status"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case59_publicBlobNeedsNoConfirmation() {
        startWith("public = yes\n");
        cacheInA();
        up().addBlob("b", bytes_);
        assertServed(get(blob("b", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case60_publicBlobThroughOtherUpstream() {
        startWith("public = yes\n");
        cacheInA();
        assertServed(get(blobPath("two/anything", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, two_->calls());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void publicNoIsNotPublic() {
        startWith("public = no\n");
        cacheInA();
        assertError(get(blob("b", digest_)), 404, "BLOB_UNKNOWN");
        assertError(get(blobPath("two/a", digest_)), 404, "BLOB_UNKNOWN");
    }

    // One file may hold both, but only who fetched it as a manifest makes it one.
    void blobIsNoManifest() {
        startWith("public = yes\n");
        const std::string bytes = imageManifest("config", {"layer"});
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        assertError(get(manifest("a", digest)), 404, "MANIFEST_UNKNOWN");
        up().addManifest("a", bytes, kManifestType);
        await("the manifest that has appeared is found",
              [&] { return get(manifest("a", digest)).status == 200; });
        CPPUNIT_ASSERT_EQUAL(std::string(kManifestType),
                             get(manifest("a", digest)).header("Content-Type"));
        CPPUNIT_ASSERT_EQUAL(std::string("application/octet-stream"),
                             get(blob("a", digest)).header("Content-Type"));
    }

    void descriptorInAManifestIsNoProof() {
        startWith("");
        cacheInA();
        const std::string naming = imageManifest("config", {bytes_});
        up().addManifest("evil", naming, kManifestType, "latest");
        assertServed(get(manifest("evil", "latest")), naming);
        assertError(get(blob("evil", digest_)), 404, "BLOB_UNKNOWN");
    }

    void runningFillIsNotSharedWithoutPermission() {
        startWith("", "follow_after = 0s\n");
        TestClient starter(proxy().port());
        Response whole = startLarge(&starter);
        assertError(get(blob("b", digest_)), 404, "BLOB_UNKNOWN");
        assertError(get(blobPath("two/a", digest_)), 404, "BLOB_UNKNOWN");
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
    }

    void runningFillIsSharedWithPermission() {
        startWith("", "follow_after = 0s\n");
        TestClient starter(proxy().port());
        Response whole = startLarge(&starter);
        up().addBlob("b", bytes_);
        TestClient other(proxy().port());
        other.send("GET", blob("b", digest_));
        Response same = other.readHead();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(same.summary(), 200, same.status);
        gate_->open();
        starter.finish(&whole);
        other.finish(&same);
        assertServed(whole, bytes_);
        assertServed(same, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void failuresOfOtherRepositoriesAreNotShared() {
        startWith("");
        assertError(get(blob("b", digest_)), 404, "BLOB_UNKNOWN");
        assertServed(get(blob("a", digest_)), bytes_);
    }

private:
    void startWith(const std::string& ofUp, const std::string& global = {}) {
        startProxy({2, global, ofUp,
                    upstreamSection("two.test", two_->url(), "aliases = two\n")});
    }

    void cacheInA() {
        assertServed(get(blob("a", digest_)), bytes_);
        awaitStored(digest_);
        up().forgetRequests();
    }

    // A large blob in repository a whose upstream stops in the middle.
    Response startLarge(TestClient* starter) {
        bytes_ = randomBytes(2 * kMiB);
        digest_ = up().addBlob("a", bytes_);
        gate_ = std::make_shared<Gate>();
        Behaviour stop;
        stop.inBody = gate_;
        stop.gateAt = kMiB;
        up().behave(blobPath("a", digest_), stop);
        starter->send("GET", blob("a", digest_));
        Response response = starter->readHead();
        CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), 200, response.status);
        return response;
    }

    std::unique_ptr<FakeRegistry> two_;
    std::shared_ptr<Gate> gate_;
    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PermissionTest);

}  // namespace ociproxy::itest
