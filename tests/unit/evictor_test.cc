#include "ociproxy/store/evictor.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/disk_cost.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/store/disk_space.h"
#include "store/image_graph.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

const RepositoryKey kWhere{"docker.io", "library/alpine"};
constexpr std::uint64_t kOne = diskCost(1);  // of everything small

std::string naming(const std::vector<Digest>& parts) {
    std::string text = "{\"layers\":[";
    for (const Digest& part : parts) text += cat("{\"digest\":\"", part.text(), "\"},");
    return text + "{}]}";
}

}  // namespace

class EvictorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(EvictorTest);
    CPPUNIT_TEST(countsWhatIsThere);
    CPPUNIT_TEST(seesWhatCameAndWent);
    CPPUNIT_TEST(leastRecentlyUsedGoesFirst);
    CPPUNIT_TEST(noMoreGoesThanIsWanted);
    CPPUNIT_TEST(aUseThatTheIndexHasNotSeenCounts);
    CPPUNIT_TEST(aTimeInTheFutureCountsAsNow);
    CPPUNIT_TEST(anImageGoesBeforeItsParts);
    CPPUNIT_TEST(whatAYoungImageNeedsStays);
    CPPUNIT_TEST(anIndexGoesBeforeItsManifests);
    CPPUNIT_TEST(readingManifestsIsNoUse);
    CPPUNIT_TEST(pinnedTagsStayWithAllTheyConsistOf);
    CPPUNIT_TEST(pinsByDigestAndByRepository);
    CPPUNIT_TEST(aTagRecordWithoutANameIsFoundByItsTag);
    CPPUNIT_TEST(youngRecordsOutliveTheirContent);
    CPPUNIT_TEST(oldRecordsGoWithTheirContent);
    CPPUNIT_TEST(sweepsWhatIsOldAndWithoutContent);
    CPPUNIT_TEST(whoHasItOpenKeepsIt);
    CPPUNIT_TEST(otherAlgorithmsGoToo);
    CPPUNIT_TEST(raisesTheGeneration);
    CPPUNIT_TEST(nothingIsLostWhileOthersCommitTheSame);
    CPPUNIT_TEST(digestsAreFoundInText);
    CPPUNIT_TEST(passesOverALargeStoreQuickly);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        options_.directory = fixture_->cache;
        options_.log = &fixture_->log;
        options_.pause = Millis{0};
    }
    void tearDown() override { fixture_.reset(); }

    void countsWhatIsThere() {
        put("a", -10);
        put(std::string(5000, 'b'), -10);
        Evictor evictor(options_);
        evictor.refresh();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, evictor.state().files);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5001}, evictor.state().bytes);
        CPPUNIT_ASSERT_EQUAL(diskCost(1) + diskCost(5000), evictor.state().cost);
        CPPUNIT_ASSERT_EQUAL(evictor.state().cost, evictor.state().evictable);
    }

    void seesWhatCameAndWent() {
        const Digest first = put("a", -10);
        Evictor evictor(options_);
        evictor.refresh();
        CPPUNIT_ASSERT_EQUAL(0, ::unlink(fixture_->file(blobFile(first)).c_str()));
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 300; ++i) put(cat("x", round, '-', i), -10);
            evictor.refresh();
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, evictor.state().files);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, evictor.evict(UINT64_MAX / 2).files);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, evictor.state().cost);
        }
        evictor.refresh();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, evictor.state().files);
    }

    void leastRecentlyUsedGoesFirst() {
        const Digest young = put("young", -100);
        const Digest old = put("old", -300);
        const Digest middle = put("middle", -200);
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(old) && has(middle) && has(young));
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(middle) && has(young));
    }

    void noMoreGoesThanIsWanted() {
        for (int i = 0; i < 10; ++i) put(cat(i), -100 - i);
        Evictor evictor(options_);
        evictor.refresh();
        const Evictor::Result result = evictor.evict(3 * kOne - 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, result.files);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, result.bytes);
        CPPUNIT_ASSERT_EQUAL(3 * kOne, result.cost);
        CPPUNIT_ASSERT_EQUAL(7 * kOne, evictor.state().cost);
    }

    void aUseThatTheIndexHasNotSeenCounts() {
        const Digest first = put("first", -300);
        const Digest second = put("second", -200);
        Evictor evictor(options_);
        evictor.refresh();
        CPPUNIT_ASSERT(fixture_->store->open(first, ContentKind::kBlob).has_value());
        evictor.evict(1);
        CPPUNIT_ASSERT(has(first) && !has(second));
    }

    void aTimeInTheFutureCountsAsNow() {
        const Digest future = put("future", 1'000'000);
        const Digest past = put("past", -10);
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(has(future) && !has(past));
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(future));
        const Digest ahead = put("ahead", 1'000'000);
        put("early", -10'000);
        put("early too", -10'000);
        evict(evictor, 1);
        CPPUNIT_ASSERT(has(ahead));
    }

    void anImageGoesBeforeItsParts() {
        const Digest layer = put("layer", -300);
        const Digest image = putImage({layer}, -300);
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(image) && has(layer));
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(layer));
    }

    void whatAYoungImageNeedsStays() {
        const Digest shared = put("shared", -9'000);
        const Digest own = put("own", -9'000);
        const Digest oldImage = putImage({shared, own}, -8'000);
        const Digest youngImage = putImage({shared}, -100);
        const Digest other = put("other", -200);
        Evictor evictor(options_);
        for (const Digest& next : {oldImage, own, other, youngImage, shared}) {
            CPPUNIT_ASSERT_MESSAGE(next.text(), has(next));
            evict(evictor, 1);
            CPPUNIT_ASSERT_MESSAGE(next.text(), !has(next));
        }
    }

    void anIndexGoesBeforeItsManifests() {
        const Digest layer = put("layer", -300);
        const Digest image = putImage({layer}, -300);
        const Digest index = putImage({image, sha256("never fetched")}, -300);
        Evictor evictor(options_);
        for (const Digest& next : {index, image, layer}) {
            CPPUNIT_ASSERT(has(next));
            evict(evictor, 1);
            CPPUNIT_ASSERT(!has(next));
        }
    }

    void readingManifestsIsNoUse() {
        const Digest image = putImage({put("layer", -300)}, -100'000);
        const std::string file = fixture_->file(blobFile(image));
        const std::int64_t before = statusOfFile(file).st_atim.tv_sec;
        Evictor(options_).refresh();
        CPPUNIT_ASSERT_EQUAL(before, std::int64_t{statusOfFile(file).st_atim.tv_sec});
    }

    void pinnedTagsStayWithAllTheyConsistOf() {
        const Digest layer = put("layer", -9'000);
        const Digest image = putImage({layer}, -9'000);
        const Digest index = putImage({image}, -9'000);
        const Digest next = putImage({put("next layer", -9'000)}, -9'000);
        const Digest other = putImage({put("other layer", -1)}, -1);
        putTag("3.19", index, next);
        putTag("2.0", other, std::nullopt);
        pin("docker.io/alpine:3.*");
        Evictor evictor(options_);
        evictor.refresh();
        CPPUNIT_ASSERT_EQUAL(2 * kOne, evictor.state().evictable);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, evictor.evict(100 * kOne).files);
        CPPUNIT_ASSERT(has(layer) && has(image) && has(index) && has(next) && !has(other));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, evictor.state().evictable);
        putTag("3.19", other, std::nullopt);
        evict(evictor, 100 * kOne);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, evictor.state().files);
    }

    void pinsByDigestAndByRepository() {
        const Digest byDigest = putImage({put("a", -9)}, -9);
        const Digest byLink = putImage({put("b", -9)}, -9, {"quay.io", "x"});
        putImage({put("c", -9)}, -9);
        pin(cat("docker.io/alpine:never@", byDigest.text()));
        pin("quay.io/x");
        Evictor evictor(options_);
        evict(evictor, 100 * kOne);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, evictor.state().files);
        CPPUNIT_ASSERT(has(byDigest) && has(byLink));
    }

    void aTagRecordWithoutANameIsFoundByItsTag() {
        const Digest image = putImage({}, -9);
        putTag("3.19", image, std::nullopt);
        const std::string tag = fixture_->file(
            cat("repos/", sha256Hex(cat("docker.io", '\0', "library/alpine")), "/tags/",
                sha256Hex("3.19"), ".json"));
        std::string text = readFile(tag);
        const std::size_t at = text.find("\"tag\":\"3.19\"");
        CPPUNIT_ASSERT(at != std::string::npos);
        text.replace(at, 12, "\"old\":\"3.19\"");
        writeFile(tag, text);
        CPPUNIT_ASSERT(fixture_->store->tag(kWhere, "3.19").has_value());
        pin("docker.io/alpine:3.19");
        Evictor evictor(options_);
        evict(evictor, kOne);
        CPPUNIT_ASSERT(has(image));
    }

    void youngRecordsOutliveTheirContent() {
        const Digest digest = put("a", -100);
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(!has(digest));
        CPPUNIT_ASSERT(exists(fixture_->file(metadataFile(digest))));
        CPPUNIT_ASSERT_EQUAL(0u, evictor.sweep());
    }

    void oldRecordsGoWithTheirContent() {
        const Digest digest = put("a", -100);
        ageRecord(digest);
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(!exists(fixture_->file(metadataFile(digest))));
    }

    void sweepsWhatIsOldAndWithoutContent() {
        const Digest kept = put("kept", -1);
        const Digest gone = put("gone", -100'000);
        for (const Digest& digest : {kept, gone}) {
            fixture_->store->putLink(kWhere, ContentKind::kBlob, digest, false);
        }
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT(has(kept) && !has(gone));
        CPPUNIT_ASSERT_EQUAL(0u, evictor.sweep());
        ageRecord(kept);
        ageRecord(gone);
        for (const Digest& digest : {kept, gone}) setTimes(linkFile(digest), -90'000, -90'000);
        CPPUNIT_ASSERT_EQUAL(2u, evictor.sweep());
        CPPUNIT_ASSERT(exists(linkFile(kept)) && !exists(linkFile(gone)));
        CPPUNIT_ASSERT(exists(fixture_->file(metadataFile(kept))));
        CPPUNIT_ASSERT(!exists(fixture_->file(metadataFile(gone))));
    }

    void whoHasItOpenKeepsIt() {
        const Digest digest = put("content", -100);
        const std::optional<StoredContent> open =
            fixture_->store->open(digest, ContentKind::kBlob);
        Evictor evictor(options_);
        evict(evictor, kOne);
        CPPUNIT_ASSERT(!has(digest));
        CPPUNIT_ASSERT_EQUAL(std::string("content"), contentOf(*open));
    }

    void otherAlgorithmsGoToo() {
        const Digest digest = digestOf(DigestAlgorithm::kSha512, "x");
        std::unique_ptr<ContentWriter> writer = fixture_->store->create(digest, 9);
        writer->append("x", 1);
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(1));
        Evictor evictor(options_);
        evictor.refresh();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, evictor.evict(1).files);
        CPPUNIT_ASSERT(!has(digest));
    }

    void raisesTheGeneration() {
        std::atomic<std::uint64_t> generation{5};
        options_.generation = &generation;
        Evictor evictor(options_);
        evict(evictor, 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, generation.load());
        put("a", -9);
        evict(evictor, 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{6}, generation.load());
    }

    // Whatever the order of the two, content that is there has its record.
    void nothingIsLostWhileOthersCommitTheSame() {
        constexpr int kRounds = 300;
        std::atomic<bool> over{false};
        std::atomic<std::uint64_t> evicted{0};
        std::thread evicting([&] {
            Evictor evictor(options_);
            while (!over) {
                evictor.refresh();
                evicted += evictor.evict(UINT64_MAX / 2).files;
            }
        });
        const Digest digest = sha256("same");
        for (int i = 0; i < kRounds; ++i) {
            fixture_->put("same");
            if (exists(fixture_->file(metadataFile(digest)))) ageRecord(digest);
            setUsed(digest, -100);
            const bool recorded = exists(fixture_->file(metadataFile(digest)));
            const bool there = has(digest);
            if (there && !recorded && has(digest)) lost_ = true;
        }
        while (evicted == 0) std::this_thread::yield();
        over = true;
        evicting.join();
        CPPUNIT_ASSERT(!lost_);
    }

    void digestsAreFoundInText() {
        const Digest a = sha256("a");
        const Digest b = digestOf(DigestAlgorithm::kSha512, "b");
        const std::vector<Digest> found = digestsIn(
            cat("{\"x\":\"", a.text(), "\",\"sha256:12\":\"sha\",\"sha", b.hex(), "\":\"",
                b.text(), "\"}\"sha256:", a.hex()));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, found.size());
        CPPUNIT_ASSERT(found[0] == a && found[1] == b);
        CPPUNIT_ASSERT(digestsIn("").empty() && digestsIn("\"sha").empty());
    }

    // OCIPROXY_STORE_FILES: how many ("make torture": a million, for which the limit of
    // 10 s is meant).
    void passesOverALargeStoreQuickly() {
        const char* given = std::getenv("OCIPROXY_STORE_FILES");
        const std::uint64_t files = given ? *parseUnsigned(given) : 20'000;
        makeLargeStore(files);
        Evictor evictor(options_);
        const double first = timed([&] { evictor.refresh(); });
        CPPUNIT_ASSERT_EQUAL(files, evictor.state().files);
        const double again = timed([&] { evictor.refresh(); });
        Evictor::Result result;
        const double pass = timed([&] { result = evictor.evict(files / 20 * kOne); });
        CPPUNIT_ASSERT_EQUAL(files / 20, result.files);
        if (given) {
            std::cout << "  " << files << " files: index " << first << " s, again " << again
                      << " s, evicting a twentieth " << pass << " s\n";
        }
        CPPUNIT_ASSERT_MESSAGE(cat("seconds: ", int(first), ' ', int(pass)),
                               first < 10 && again < 10 && pass < 10);
    }

private:
    template <class Call>
    static double timed(Call&& call) {
        const TimePoint begin = now();
        call();
        return std::chrono::duration<double>(now() - begin).count();
    }

    Digest put(const std::string& content, std::int64_t used) {
        const Digest digest = fixture_->put(content);
        setUsed(digest, used);
        return digest;
    }

    Digest putImage(const std::vector<Digest>& parts, std::int64_t used,
                    const RepositoryKey& where = kWhere) {
        const Digest digest = fixture_->put(naming(parts), ContentKind::kManifest);
        fixture_->store->putLink(where, ContentKind::kManifest, digest, false);
        setUsed(digest, used);
        return digest;
    }

    void putTag(const std::string& tag, const Digest& digest, const std::optional<Digest>& next) {
        TagEntry entry{digest, "type", 1, 1, next};
        fixture_->store->putTag(kWhere, tag, entry);
    }

    void setUsed(const Digest& digest, std::int64_t used) {
        try {
            setTimes(fixture_->file(blobFile(digest)), used, -100);
        } catch (const SysError&) {
            if (has(digest)) throw;  // evicted meanwhile
        }
    }

    void ageRecord(const Digest& digest) {
        try {
            setTimes(fixture_->file(metadataFile(digest)), -7'200, -7'200);
        } catch (const SysError&) {
            if (exists(fixture_->file(metadataFile(digest)))) throw;  // evicted meanwhile
        }
    }

    std::string linkFile(const Digest& digest) const {
        return fixture_->file(cat("repos/", sha256Hex(cat("docker.io", '\0', "library/alpine")),
                                  "/links/blob-sha256-", digest.hex()));
    }

    void pin(const std::string& text) {
        std::string problem;
        options_.pins.push_back(*parsePin(text, &problem));
    }

    void evict(Evictor& evictor, std::uint64_t cost) {
        evictor.refresh();
        evictor.evict(cost);
    }

    bool has(const Digest& digest) const { return exists(fixture_->file(blobFile(digest))); }

    // Files of one byte with records, and an image for every twentieth: without fsync.
    void makeLargeStore(std::uint64_t files) {
        std::vector<Digest> parts;
        for (std::uint64_t i = 0; i < files; ++i) {
            if (i % 20 == 19) {
                const std::string text = naming(parts);
                const Digest image = sha256(text);
                makeFiles(image, text);
                fixture_->store->putLink({"docker.io", cat("r/", i % 1000)},
                                         ContentKind::kManifest, image, false);
                parts.clear();
            } else {
                parts.push_back(sha256(cat(i)));
                makeFiles(parts.back(), "x");
            }
        }
    }

    // Holes instead of bytes where only the names matter: they take no memory.
    void makeFiles(const Digest& digest, const std::string& text) {
        const std::string file = fixture_->file(blobFile(digest));
        if (text == "x") makeHole(file);
        else writeFile(file, text);
        makeHole(fixture_->file(metadataFile(digest)));
    }

    static void makeHole(const std::string& file) {
        const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        CPPUNIT_ASSERT(fd && ::ftruncate(fd.get(), 1) == 0);
    }

    std::unique_ptr<StoreFixture> fixture_;
    Evictor::Options options_;
    bool lost_ = false;
};

CPPUNIT_TEST_SUITE_REGISTRATION(EvictorTest);

}  // namespace ociproxy
