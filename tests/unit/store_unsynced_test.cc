// The mark of caches that are not synced, and what a start makes of it.
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/store/unsynced.h"
#include "support/store_fixture.h"

namespace ociproxy {

class StoreUnsyncedTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreUnsyncedTest);
    CPPUNIT_TEST(withoutAMarkAllStays);
    CPPUNIT_TEST(whatCameAfterTheMarkIsDropped);
    CPPUNIT_TEST(whatIsFromTheFutureIsDropped);
    CPPUNIT_TEST(everyAlgorithm);
    CPPUNIT_TEST(anEmptiedMarkVouchesForNothing);
    CPPUNIT_TEST(anEndInOrderKeepsAll);
    CPPUNIT_TEST(theMarkMovesOn);
    CPPUNIT_TEST(foreignFilesStay);
    CPPUNIT_TEST_SUITE_END();

public:
    void withoutAMarkAllStays() {
        const Digest digest = fixture_.put("content");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(has(digest));
    }

    void whatCameAfterTheMarkIsDropped() {
        const Digest old = fixture_.put("old");
        setTimes(fixture_.file(blobFile(old)), 0, -100);
        markSynced(fixture_.cache);
        const Digest fresh = fixture_.put("fresh");
        CPPUNIT_ASSERT(exists(mark()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(has(old));
        CPPUNIT_ASSERT(!has(fresh) && !exists(fixture_.file(blobFile(fresh))));
        CPPUNIT_ASSERT(!exists(mark()));
        // It may come again.
        fixture_.put("fresh");
        CPPUNIT_ASSERT(has(fresh));
    }

    void whatIsFromTheFutureIsDropped() {
        markSynced(fixture_.cache);
        const Digest digest = fixture_.put("content");
        setTimes(fixture_.file(blobFile(digest)), 0, 100'000);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropUnsynced(fixture_.cache));
    }

    void everyAlgorithm() {
        const std::string text = "content";
        const Digest digest = digestOf(DigestAlgorithm::kSha512, text);
        markSynced(fixture_.cache);
        const std::unique_ptr<ContentWriter> writer = fixture_.store->create(digest, 1);
        writer->append(text.data(), text.size());
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(text.size()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(!has(digest));
    }

    void anEmptiedMarkVouchesForNothing() {
        const Digest old = fixture_.put("old");
        setTimes(fixture_.file(blobFile(old)), 0, -100);
        writeFile(mark(), "");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(!has(old));
    }

    void anEndInOrderKeepsAll() {
        markSynced(fixture_.cache);
        const Digest digest = fixture_.put("content");
        endUnsynced(fixture_.cache);
        CPPUNIT_ASSERT(!exists(mark()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(has(digest));
        endUnsynced(fixture_.cache);  // there is none: no harm
    }

    void theMarkMovesOn() {
        writeFile(mark(), "{\"synced\":1000}");
        const Digest digest = fixture_.put("content");
        setTimes(fixture_.file(blobFile(digest)), 0, -100);
        markSynced(fixture_.cache);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(has(digest));
    }

    void foreignFilesStay() {
        markSynced(fixture_.cache);
        writeFile(fixture_.file("blobs/sha256/aa/README"), "not ours");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, dropUnsynced(fixture_.cache));
        CPPUNIT_ASSERT(exists(fixture_.file("blobs/sha256/aa/README")));
    }

private:
    bool has(const Digest& digest) {
        return fixture_.another()->open(digest, ContentKind::kBlob).has_value();
    }
    std::string mark() const { return fixture_.file("unsynced"); }

    StoreFixture fixture_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreUnsyncedTest);

}  // namespace ociproxy
