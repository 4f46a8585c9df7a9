// What is served again without a look at the disk (src/proxy/hit_cache.h).
#include "proxy/hit_cache.h"

#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
    return bytes;
}

// A file with a name that the test may take away, where every byte is resident.
class NamedFile {
public:
    explicit NamedFile(const std::string& content) {
        name_ = "/dev/shm/hit_cache_test.XXXXXX";
        fd_ = std::make_shared<Fd>(::mkostemp(name_.data(), O_CLOEXEC));
        if (!*fd_) throwErrno("mkostemp");
        writeAll(fd_->get(), content.data(), content.size(), name_);
    }
    ~NamedFile() { remove(); }
    const std::string& name() const { return name_; }
    void remove() { ::unlink(name_.c_str()); }
    void truncate(off_t size) { CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(fd_->get(), size)); }
    // Changes a byte, and with it surely the time of the last write.
    void overwrite() {
        pwriteAll(fd_->get(), "!", 1, 0, name_);
        const timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
        CPPUNIT_ASSERT_EQUAL(0, ::futimens(fd_->get(), times));
    }
    std::shared_ptr<const Fd> fd() const { return fd_; }

private:
    std::string name_;
    std::shared_ptr<Fd> fd_;
};

class HitCacheTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(HitCacheTest);
    CPPUNIT_TEST(servesSmallContentFromMemory);
    CPPUNIT_TEST(servesLargerContentFromItsFile);
    CPPUNIT_TEST(leavesLargeContentToSenders);
    CPPUNIT_TEST(readsRangesOfLargeContent);
    CPPUNIT_TEST(putsSeveralRangesTogether);
    CPPUNIT_TEST(leavesManyRangesToSenders);
    CPPUNIT_TEST(answersConditionsAndHead);
    CPPUNIT_TEST(knowsOnlyWhatWasPut);
    CPPUNIT_TEST(hostCountsWithAQueryOnly);
    CPPUNIT_TEST(entriesGrowOld);
    CPPUNIT_TEST(entryEndsWithItsLink);
    CPPUNIT_TEST(oldEntriesAreLetGoOf);
    CPPUNIT_TEST(whatIsForgottenIsClosedByTheTicker);
    CPPUNIT_TEST(generationEndsEntries);
    CPPUNIT_TEST(planOfAnEarlierGenerationIsNotTaken);
    CPPUNIT_TEST(removedFileEndsItsEntry);
    CPPUNIT_TEST(truncatedFileEndsItsEntry);
    CPPUNIT_TEST(overwrittenFileEndsItsEntry);
    CPPUNIT_TEST(damagedContentIsNotKept);
    CPPUNIT_TEST(unreadableContentIsDamaged);
    CPPUNIT_TEST(onlyInMemoryLeavesLargerContent);
    CPPUNIT_TEST(furtherNameEndsItsEntry);
    CPPUNIT_TEST(leastRecentlyUsedGoesFirst);
    CPPUNIT_TEST(bytesAreBounded);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        generation_ = 7;
        options_ = HitCache::Options();
        options_.generation = &generation_;
        cache_ = std::make_unique<HitCache>(options_);
    }

    void servesSmallContentFromMemory() {
        const std::string content = pattern(1'000);
        NamedFile file(content);
        put("/a", file, content);
        const Reply reply = expectReply(request("/a"));
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT(content == std::get<BytesBody>(reply.body).bytes);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), *reply.headers.find("Cache-Status"));
        CPPUNIT_ASSERT_EQUAL(std::string("hit"), reply.cacheResult);
        CPPUNIT_ASSERT(reply.headers.has("Via"));
    }

    void servesLargerContentFromItsFile() {
        const std::string content = pattern(100'000);
        NamedFile file(content);
        put("/a", file, content);
        const Reply reply = expectReply(request("/a"));
        const FileBody& body = std::get<FileBody>(reply.body);
        CPPUNIT_ASSERT(body.file == file.fd());
        CPPUNIT_ASSERT(body.resident);
    }

    void leavesLargeContentToSenders() {
        const std::string content = pattern(options_.maxResident + 1);
        NamedFile file(content);
        put("/a", file, content);
        CPPUNIT_ASSERT(!std::get<FileBody>(expectReply(request("/a")).body).resident);
    }

    void readsRangesOfLargeContent() {
        const std::string content = pattern(options_.maxResident + 1);
        NamedFile file(content);
        put("/a", file, content);
        Request asked = request("/a");
        asked.headers.add("Range", "bytes=1000-1999");
        const Reply reply = expectReply(asked);
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT(content.substr(1'000, 1'000) == std::get<BytesBody>(reply.body).bytes);
    }

    void putsSeveralRangesTogether() {
        const std::string content = pattern(1'000);
        NamedFile file(content);
        put("/a", file, content);
        Request asked = request("/a");
        asked.headers.add("Range", "bytes=0-9,100-109");
        const Reply reply = expectReply(asked);
        const std::string& body = std::get<BytesBody>(reply.body).bytes;
        CPPUNIT_ASSERT(body.find(content.substr(0, 10)) < body.find(content.substr(100, 10)));
        CPPUNIT_ASSERT(body.find("Content-Range: bytes 100-109/1000") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string("--\r\n"), body.substr(body.size() - 4));
    }

    void leavesManyRangesToSenders() {
        const std::string content = pattern(1'000);
        NamedFile file(content);
        put("/a", file, content);
        Request asked = request("/a");
        std::string ranges = "bytes=0-0";
        for (int i = 1; i < 17; ++i) ranges += cat(",", i * 2, "-", i * 2);
        asked.headers.add("Range", ranges);
        CPPUNIT_ASSERT(!std::get<FileBody>(expectReply(asked).body).resident);
    }

    void answersConditionsAndHead() {
        const std::string content = pattern(100);
        NamedFile file(content);
        put("/a", file, content);
        Request asked = request("/a");
        asked.headers.add("If-None-Match", "*");
        CPPUNIT_ASSERT_EQUAL(304, expectReply(asked).status);
        asked = request("/a");
        asked.headers.add("Range", "bytes=100-");
        CPPUNIT_ASSERT_EQUAL(416, expectReply(asked).status);
        asked = request("/a");
        asked.method = Method::kHead;
        CPPUNIT_ASSERT_EQUAL(200, expectReply(asked).status);
    }

    void knowsOnlyWhatWasPut() {
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        CPPUNIT_ASSERT(!cache_->reply(request("/b")));
    }

    void hostCountsWithAQueryOnly() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        put("/a?ns=x", file, content);
        Request other = request("/a");
        other.host = "other";
        expectReply(other);
        other.target = "/a?ns=x";
        CPPUNIT_ASSERT(!cache_->reply(other));
        expectReply(request("/a?ns=x"));
    }

    void entriesGrowOld() {
        options_.validity = Millis{0};
        HitCache cache(options_);
        const std::string content = pattern(10);
        NamedFile file(content);
        cache.put(request("/a"), factsOf(file, content), "", generation_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, cache.size());
        CPPUNIT_ASSERT(!cache.reply(request("/a")));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cache.size());
    }

    void entryEndsWithItsLink() {
        const std::string content = pattern(10);
        NamedFile file(content);
        HitFacts hit = factsOf(file, content);
        hit.linkedUntil = wallSeconds() + 60;
        cache_->put(request("/a"), hit, "", generation_);
        hit.linkedUntil = wallSeconds() - 1;
        cache_->put(request("/b"), hit, "", generation_);
        expectReply(request("/a"));
        CPPUNIT_ASSERT(!cache_->reply(request("/b")));
    }

    void oldEntriesAreLetGoOf() {
        options_.validity = Millis{0};
        HitCache cache(options_);
        const std::string content = pattern(10);
        NamedFile file(content);
        cache.put(request("/a"), factsOf(file, content), "", generation_);
        CPPUNIT_ASSERT_EQUAL(2L, file.fd().use_count() - 1);
        cache.expire();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cache.size());
        CPPUNIT_ASSERT_EQUAL(1L, file.fd().use_count() - 1);
    }

    // The last close of a large file that has no name any more takes a while.
    void whatIsForgottenIsClosedByTheTicker() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        file.remove();
        expectForgotten();
        CPPUNIT_ASSERT_EQUAL(2L, file.fd().use_count() - 1);
        cache_->expire();
        CPPUNIT_ASSERT_EQUAL(1L, file.fd().use_count() - 1);
    }

    void generationEndsEntries() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        ++generation_;
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cache_->size());
        put("/a", file, content);
        expectReply(request("/a"));
    }

    void planOfAnEarlierGenerationIsNotTaken() {
        const std::string content = pattern(10);
        NamedFile file(content);
        const std::uint64_t before = cache_->generation();
        ++generation_;
        cache_->put(request("/a"), factsOf(file, content), "", before);
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
    }

    void removedFileEndsItsEntry() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        file.remove();
        expectForgotten();
    }

    void truncatedFileEndsItsEntry() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        file.truncate(5);
        expectForgotten();
    }

    void overwrittenFileEndsItsEntry() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        file.overwrite();
        expectForgotten();
    }

    void damagedContentIsNotKept() {
        const std::string content = pattern(10);
        NamedFile file(content);
        file.overwrite();
        CPPUNIT_ASSERT(!put("/a", file, content));
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
    }

    void unreadableContentIsDamaged() {
        HitFacts hit{ContentFacts{digestOf(DigestAlgorithm::kSha256, "x"), "a/b"}, {}, {}};
        NamedFile file("x");
        const std::string path = cat("/proc/self/fd/", file.fd()->get());
        // As a disk that gives nothing: this descriptor is not for reading.
        hit.content.file = std::make_shared<const Fd>(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        hit.content.info.size = 1;
        CPPUNIT_ASSERT(!cache_->put(request("/a"), hit, "", generation_));
    }

    void onlyInMemoryLeavesLargerContent() {
        options_.onlyInMemory = true;
        cache_ = std::make_unique<HitCache>(options_);
        const std::string small = pattern(options_.maxSmall);
        const std::string large = pattern(options_.maxSmall + 1);
        NamedFile smallFile(small);
        NamedFile largeFile(large);
        CPPUNIT_ASSERT(put("/a", smallFile, small) && put("/b", largeFile, large));
        CPPUNIT_ASSERT(small == std::get<BytesBody>(expectReply(request("/a")).body).bytes);
        CPPUNIT_ASSERT(!cache_->reply(request("/b")));
    }

    void furtherNameEndsItsEntry() {
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        expectReply(request("/a"));
        const std::string other = file.name() + ".other";
        CPPUNIT_ASSERT_EQUAL(0, ::link(file.name().c_str(), other.c_str()));
        const bool served = cache_->reply(request("/a")).has_value();
        ::unlink(other.c_str());
        CPPUNIT_ASSERT(!served);
    }

    void leastRecentlyUsedGoesFirst() {
        options_.maxFiles = 2;
        cache_ = std::make_unique<HitCache>(options_);
        const std::string content = pattern(10);
        NamedFile file(content);
        put("/a", file, content);
        put("/b", file, content);
        expectReply(request("/a"));
        put("/c", file, content);
        CPPUNIT_ASSERT(!cache_->reply(request("/b")));
        expectReply(request("/a"));
        expectReply(request("/c"));
    }

    void bytesAreBounded() {
        options_.maxBytes = 25;
        cache_ = std::make_unique<HitCache>(options_);
        const std::string content = pattern(10);
        NamedFile file(content);
        for (const char* target : {"/a", "/b", "/b", "/c"}) put(target, file, content);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, cache_->size());
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
    }

private:
    static Request request(const std::string& target) {
        Request request;
        request.target = target;
        request.host = "h";
        return request;
    }

    static HitFacts factsOf(const NamedFile& file, const std::string& content) {
        const Digest digest = digestOf(DigestAlgorithm::kSha256, content);
        HitFacts hit{ContentFacts{digest, "application/octet-stream"}, {}, std::nullopt};
        hit.content.file = file.fd();
        hit.content.info.size = content.size();
        return hit;
    }

    bool put(const std::string& target, const NamedFile& file, const std::string& content) {
        return cache_->put(request(target), factsOf(file, content), "", cache_->generation());
    }

    Reply expectReply(const Request& request) {
        std::optional<Reply> reply = cache_->reply(request);
        CPPUNIT_ASSERT_MESSAGE(request.target, reply.has_value());
        return *std::move(reply);
    }

    void expectForgotten() {
        CPPUNIT_ASSERT(!cache_->reply(request("/a")));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, cache_->size());
    }

    std::atomic<std::uint64_t> generation_{7};
    HitCache::Options options_;
    std::unique_ptr<HitCache> cache_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(HitCacheTest);

}  // namespace
}  // namespace ociproxy
