// Files of committed content that are held open (include/ociproxy/store/content_file.h).
#include "ociproxy/store/content_file.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

class ContentFileTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ContentFileTest);
    CPPUNIT_TEST(looksAtSizeAndTime);
    CPPUNIT_TEST(aRemovedFileHasNoState);
    CPPUNIT_TEST(readsWhatHashesToItsDigest);
    CPPUNIT_TEST(residentBytesAreAppended);
    CPPUNIT_TEST(shortFileLeavesWhatWasThere);
    CPPUNIT_TEST(residenceCoversTheWholeSize);
    CPPUNIT_TEST(tmpfsIsResident);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { make(std::filesystem::temp_directory_path()); }
    void tearDown() override { ::unlink(name_.c_str()); }

    void looksAtSizeAndTime() {
        const std::optional<FileState> before = lookAtFile(file_);
        CPPUNIT_ASSERT(before);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, before->size);
        const timespec times[2] = {{0, UTIME_OMIT}, {1, 5}};
        CPPUNIT_ASSERT_EQUAL(0, ::futimens(file_.get(), times));
        const std::optional<FileState> after = lookAtFile(file_);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1'000'000'005}, after->writtenNs);
        CPPUNIT_ASSERT(!(*after == *before));
    }

    void aRemovedFileHasNoState() {
        ::unlink(name_.c_str());
        CPPUNIT_ASSERT(!lookAtFile(file_));
    }

    void readsWhatHashesToItsDigest() {
        const Digest digest = digestOf(DigestAlgorithm::kSha256, "content");
        CPPUNIT_ASSERT_EQUAL(std::string("content"), *readVerified(file_, 7, digest));
        CPPUNIT_ASSERT(!readVerified(file_, 6, digest));
        CPPUNIT_ASSERT(!readVerified(file_, 8, digest));
        CPPUNIT_ASSERT(!readVerified(file_, 7, digestOf(DigestAlgorithm::kSha256, "other")));
    }

    void residentBytesAreAppended() {
        remake("/dev/shm");
        std::string out = "its ";
        CPPUNIT_ASSERT(readResident(file_, 3, 4, &out));
        CPPUNIT_ASSERT_EQUAL(std::string("its tent"), out);
    }

    void shortFileLeavesWhatWasThere() {
        std::string out = "as it was";
        CPPUNIT_ASSERT(!readResident(file_, 3, 5, &out));
        CPPUNIT_ASSERT(!readResident(file_, 100, 1, &out));
        CPPUNIT_ASSERT_EQUAL(std::string("as it was"), out);
    }

    void residenceCoversTheWholeSize() { CPPUNIT_ASSERT(!isResident(file_, 8)); }

    void tmpfsIsResident() {
        remake("/dev/shm");
        CPPUNIT_ASSERT(isResident(file_, 7));
        CPPUNIT_ASSERT(!isResident(file_, 8));
        shortFileLeavesWhatWasThere();
    }

private:
    void remake(const std::filesystem::path& directory) {
        ::unlink(name_.c_str());
        make(directory);
    }

    void make(const std::filesystem::path& directory) {
        name_ = directory / "content_file_test.XXXXXX";
        file_ = Fd(::mkostemp(name_.data(), O_CLOEXEC));
        if (!file_) throwErrno("mkostemp");
        writeAll(file_.get(), "content", 7, name_);
    }

    std::string name_;
    Fd file_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ContentFileTest);

}  // namespace
}  // namespace ociproxy
