#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/store/store.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr Millis kAtOnce{0};

// What the refusal says; fails when there is none.
std::string refusal(const std::string& directory, Millis patience = kAtOnce) {
    try {
        Fd lock = Store::prepare(directory, patience);
    } catch (const Error& error) {
        return error.what();
    }
    CPPUNIT_FAIL("prepared " + directory);
    return std::string();
}

void assertSays(const std::string& text, const std::string& part) {
    CPPUNIT_ASSERT_MESSAGE(text + " | lacks | " + part, text.find(part) != std::string::npos);
}

mode_t modeOf(const std::string& path) {
    return statusOfFile(path).st_mode & 07777;
}

void makeDirectory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), 0700) != 0 || ::chmod(path.c_str(), mode) != 0) {
        throwErrno("mkdir " + path);
    }
}

void makeLink(const std::string& target, const std::string& path) {
    if (::symlink(target.c_str(), path.c_str()) != 0) throwErrno("symlink " + path);
}

class WithUmask {
public:
    explicit WithUmask(mode_t mask) : old_(::umask(mask)) {}
    ~WithUmask() { ::umask(old_); }

private:
    mode_t old_;
};

// A directory where nobody else may write on the whole way, as below /var/cache.
std::string unexposedParent() {
    std::string parent = std::filesystem::current_path();
    if (::access(parent.c_str(), W_OK) != 0) skipTest("the working directory is not writable");
    for (std::filesystem::path at = parent;; at = at.parent_path()) {
        if ((statusOfFile(at).st_mode & S_IWOTH) != 0) {
            skipTest("the working directory is below a world-writable one");
        }
        if (at == at.root_path()) return parent;
    }
}

}  // namespace

class StorePrepareTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StorePrepareTest);
    CPPUNIT_TEST(makesTheTreeWhateverTheUmask);
    CPPUNIT_TEST(isRepeatableAndKeepsContent);
    CPPUNIT_TEST(makesMissingParents);
    CPPUNIT_TEST(unknownVersionIsRefusedAndNothingTouched);
    CPPUNIT_TEST(plantedVersionIsRefused);
    CPPUNIT_TEST(wrongModeIsMended);
    CPPUNIT_TEST(directoryInOtherUseIsLeftAlone);
    CPPUNIT_TEST(anotherUsersDirectoryIsRefused);
    CPPUNIT_TEST(anotherUsersParentBelowTmpIsRefused);
    CPPUNIT_TEST(linkBelowTmpIsRefused);
    CPPUNIT_TEST(linkElsewhereIsFollowed);
    CPPUNIT_TEST(linkToTmpIsJudgedThere);
    CPPUNIT_TEST(linkLoopIsRefused);
    CPPUNIT_TEST(unusablePathsAreRefused);
    CPPUNIT_TEST(plantedPartsOfTheTreeAreRefused);
    CPPUNIT_TEST(plantedLockIsRefused);
    CPPUNIT_TEST(secondLockerIsRefused);
    CPPUNIT_TEST(lockIsWaitedFor);
    CPPUNIT_TEST(patienceEnds);
    CPPUNIT_TEST(lockEndsWithTheProcess);
    CPPUNIT_TEST(copiesOfTheLockKeepIt);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { root_ = std::make_unique<ScratchDirectory>(); }
    void tearDown() override { root_.reset(); }

    void makesTheTreeWhateverTheUmask() {
        unsigned number = 0;
        for (mode_t mask : {mode_t{0}, mode_t{0777}}) {
            std::string cache = root_->file(cat("cache", number++));
            {
                WithUmask umask(mask);
                Store::prepare(cache, kAtOnce);
            }
            CPPUNIT_ASSERT_EQUAL(mode_t{0700}, modeOf(cache));
            for (const char* name : {"blobs", "meta", "repos", "tmp", "quarantine",
                                     "blobs/sha256", "meta/sha256", "blobs/sha256/00",
                                     "meta/sha256/ff"}) {
                CPPUNIT_ASSERT_EQUAL(mode_t{0700}, modeOf(cat(cache, '/', name)));
            }
            CPPUNIT_ASSERT_EQUAL(mode_t{0600}, modeOf(cache + "/version"));
            CPPUNIT_ASSERT_EQUAL(std::string("1\n"), readFile(cache + "/version"));
            CPPUNIT_ASSERT_EQUAL(std::size_t{256}, namesIn(cache + "/blobs/sha256").size());
            CPPUNIT_ASSERT_EQUAL(std::size_t{256}, namesIn(cache + "/meta/sha256").size());
            CPPUNIT_ASSERT_EQUAL(std::size_t{7}, namesIn(cache).size());
        }
    }

    void isRepeatableAndKeepsContent() {
        StoreFixture fixture;
        Digest digest = fixture.put("kept");
        fixture.lock.reset();
        fixture.lock = Store::prepare(fixture.cache, kAtOnce);
        CPPUNIT_ASSERT(fixture.another()->open(digest, ContentKind::kBlob));
        // Also what was half removed.
        std::filesystem::remove_all(fixture.file("tmp"));
        std::filesystem::remove_all(fixture.file("meta/sha256/7f"));
        fixture.lock.reset();
        fixture.lock = Store::prepare(fixture.cache, kAtOnce);
        CPPUNIT_ASSERT(exists(fixture.file("tmp")));
        CPPUNIT_ASSERT(exists(fixture.file("meta/sha256/7f")));
    }

    void makesMissingParents() {
        std::string cache = root_->file("a//b/./c/");
        Fd lock = Store::prepare(cache, kAtOnce);
        CPPUNIT_ASSERT(lock);
        CPPUNIT_ASSERT_EQUAL(mode_t{0700}, modeOf(root_->file("a")));
        CPPUNIT_ASSERT(exists(root_->file("a/b/c/version")));
    }

    void unknownVersionIsRefusedAndNothingTouched() {
        for (const std::string version : {"2\n", "10\n", "0\n", "1", "", "x\x1b[0m\n", "1\n1\n"}) {
            ScratchDirectory other;
            std::string cache = other.file("cache");
            makeDirectory(cache, 0755);
            writeFile(cache + "/version", version);
            struct stat before = statusOfFile(cache);
            std::string text = refusal(cache);
            assertSays(text, cache);
            assertSays(text, "layout version");
            CPPUNIT_ASSERT(text.find('\x1b') == std::string::npos);
            struct stat after = statusOfFile(cache);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, namesIn(cache).size());
            CPPUNIT_ASSERT_EQUAL(before.st_mode, after.st_mode);
            CPPUNIT_ASSERT_EQUAL(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
            CPPUNIT_ASSERT_EQUAL(version, readFile(cache + "/version"));
        }
    }

    void plantedVersionIsRefused() {
        std::string cache = root_->file("cache");
        makeDirectory(cache, 0700);
        writeFile(root_->file("elsewhere"), "1\n");
        makeLink(root_->file("elsewhere"), cache + "/version");
        assertSays(refusal(cache), "not a regular file of ours");
        std::filesystem::remove(cache + "/version");
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((cache + "/version").c_str(), 0600));
        assertSays(refusal(cache), "not a regular file of ours");
    }

    void wrongModeIsMended() {
        for (mode_t mode : {mode_t{0777}, mode_t{0750}, mode_t{01777}, mode_t{0500}, mode_t{0}}) {
            ScratchDirectory other;
            std::string cache = other.file("cache");
            makeDirectory(cache, mode);
            Store::prepare(cache, kAtOnce);
            CPPUNIT_ASSERT_EQUAL(mode_t{0700}, modeOf(cache));
            // One that is a cache may hold foreign files, too.
            writeFile(cache + "/foreign", "");
            CPPUNIT_ASSERT_EQUAL(0, ::chmod(cache.c_str(), mode));
            Store::prepare(cache, kAtOnce);
            CPPUNIT_ASSERT_EQUAL(mode_t{0700}, modeOf(cache));
        }
    }

    // As a mistaken cache_dir = /tmp of root's would be.
    void directoryInOtherUseIsLeftAlone() {
        std::string cache = root_->file("used");
        makeDirectory(cache, 01777);
        writeFile(cache + "/somebody", "'s");
        assertSays(refusal(cache), "choose an empty directory");
        CPPUNIT_ASSERT_EQUAL(mode_t{01777}, modeOf(cache));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, namesIn(cache).size());
    }

    void anotherUsersDirectoryIsRefused() {
        std::string cache = root_->file("cache");
        makeDirectory(cache, 0700);
        giveAway(cache);
        std::string text = refusal(cache);
        assertSays(text, cache);
        assertSays(text, "another user");
        CPPUNIT_ASSERT(namesIn(cache).empty());
    }

    void anotherUsersParentBelowTmpIsRefused() {
        std::string parent = root_->file("theirs");
        makeDirectory(parent, 0777);
        makeDirectory(parent + "/cache", 0700);
        giveAway(parent);
        assertSays(refusal(parent + "/cache"), "another user");
        CPPUNIT_ASSERT(namesIn(parent + "/cache").empty());
    }

    void linkBelowTmpIsRefused() {
        std::string real = root_->file("real");
        makeDirectory(real, 0700);
        makeLink(real, root_->file("link"));
        // The scratch directory itself is ours; what counts is /tmp above it.
        if ((statusOfFile(std::filesystem::temp_directory_path()).st_mode & S_IWOTH) == 0) {
            CPPUNIT_ASSERT_EQUAL(0, ::chmod(root_->path().c_str(), 01777));
        }
        assertSays(refusal(root_->file("link")), "symbolic link");
        assertSays(refusal(root_->file("link/below")), "symbolic link");
        assertSays(refusal(root_->file("real/../real")), "\"..\"");
        CPPUNIT_ASSERT(namesIn(real).empty());
    }

    void linkElsewhereIsFollowed() {
        ScratchDirectory safe(unexposedParent());
        makeDirectory(safe.file("real"), 0700);
        makeLink("real/../real", safe.file("relative"));
        makeLink(safe.file("relative"), safe.file("absolute"));
        Fd lock = Store::prepare(safe.file("absolute/cache"), kAtOnce);
        CPPUNIT_ASSERT(exists(safe.file("real/cache/version")));
    }

    void linkToTmpIsJudgedThere() {
        ScratchDirectory safe(unexposedParent());
        makeDirectory(root_->file("real"), 0700);
        makeDirectory(root_->file("open"), 01777);
        makeLink(root_->file("real"), root_->file("open/inner"));
        makeLink(root_->file("open"), safe.file("outer"));
        assertSays(refusal(safe.file("outer/inner")), "symbolic link");
        Fd lock = Store::prepare(safe.file("outer/direct"), kAtOnce);
        CPPUNIT_ASSERT(exists(root_->file("open/direct/version")));
    }

    void linkLoopIsRefused() {
        ScratchDirectory safe(unexposedParent());
        makeLink("b", safe.file("a"));
        makeLink("a", safe.file("b"));
        assertSays(refusal(safe.file("a/cache")), "too many");
    }

    void unusablePathsAreRefused() {
        assertSays(refusal("relative/cache"), "absolute");
        assertSays(refusal(""), "absolute");
        writeFile(root_->file("file"), "");
        assertSays(refusal(root_->file("file")), "not a directory");
        assertSays(refusal(root_->file("file/cache")), "not a directory");
        assertSays(refusal("/proc/self/cache"), "mkdir");
    }

    void plantedPartsOfTheTreeAreRefused() {
        for (const char* name : {"blobs", "meta", "tmp", "repos", "quarantine", "blobs/sha256"}) {
            ScratchDirectory other;
            std::string cache = other.file("cache");
            makeDirectory(cache, 0700);
            std::filesystem::create_directories(
                std::filesystem::path(cat(cache, '/', name)).parent_path());
            makeDirectory(other.file("target"), 0700);
            makeLink(other.file("target"), cat(cache, '/', name));
            assertSays(refusal(cache), name);
            CPPUNIT_ASSERT(namesIn(other.file("target")).empty());
        }
    }

    void plantedLockIsRefused() {
        std::string cache = root_->file("cache");
        makeDirectory(cache, 0700);
        makeLink(root_->file("target"), cache + "/lock");
        assertSays(refusal(cache), "lock");
        CPPUNIT_ASSERT(!exists(root_->file("target")));
        std::filesystem::remove(cache + "/lock");
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((cache + "/lock").c_str(), 0600));
        assertSays(refusal(cache), "not a regular file of ours");
    }

    void secondLockerIsRefused() {
        std::string cache = root_->file("cache");
        Fd lock = Store::prepare(cache, kAtOnce);
        std::string text = refusal(cache);
        assertSays(text, cache);
        assertSays(text, "another ociproxy");
        // From another process, too; and ours is still there after that one's end.
        Child child([&] { assertSays(refusal(cache), "another ociproxy"); });
        CPPUNIT_ASSERT(child.succeeded());
        assertSays(refusal(cache), "another ociproxy");
        lock.reset();
        CPPUNIT_ASSERT(Store::prepare(cache, kAtOnce));
    }

    void lockIsWaitedFor() {
        std::string cache = root_->file("cache");
        Fd lock = Store::prepare(cache, kAtOnce);
        Fd watch(::inotify_init1(IN_CLOEXEC));
        CPPUNIT_ASSERT(::inotify_add_watch(watch.get(), (cache + "/lock").c_str(), IN_OPEN) >= 0);
        std::thread holder([&] {
            // Lets go once it has been tried for twice.
            char events[4096];
            for (ssize_t size = 0; size < 2 * static_cast<ssize_t>(sizeof(inotify_event));) {
                ssize_t count = ::read(watch.get(), events, sizeof events);
                if (count <= 0) break;
                size += count;
            }
            lock.reset();
        });
        Fd second;
        try {
            second = Store::prepare(cache, Millis{60000});
        } catch (const Error&) {
            // Seen below.
        }
        holder.join();
        CPPUNIT_ASSERT(second);
    }

    void patienceEnds() {
        std::string cache = root_->file("cache");
        Fd lock = Store::prepare(cache, kAtOnce);
        TimePoint begin = now();
        refusal(cache, Millis{100});
        CPPUNIT_ASSERT(now() - begin >= Millis{100});
    }

    void lockEndsWithTheProcess() {
        std::string cache = root_->file("cache");
        WordPipe ready;
        Child holder([&] {
            Fd lock = Store::prepare(cache, kAtOnce);
            ready.send();
            for (;;) ::pause();
        });
        CPPUNIT_ASSERT(ready.receive());
        assertSays(refusal(cache), "another ociproxy");
        holder.kill();
        CPPUNIT_ASSERT(WIFSIGNALED(holder.wait()));
        CPPUNIT_ASSERT(Store::prepare(cache, kAtOnce));
    }

    // Why workers must close theirs.
    void copiesOfTheLockKeepIt() {
        std::string cache = root_->file("cache");
        Fd lock = Store::prepare(cache, kAtOnce);
        Fd copy(::fcntl(lock.get(), F_DUPFD_CLOEXEC, 0));
        lock.reset();
        assertSays(refusal(cache), "another ociproxy");
        copy.reset();
        CPPUNIT_ASSERT(Store::prepare(cache, kAtOnce));
    }

private:
    std::unique_ptr<ScratchDirectory> root_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StorePrepareTest);

}  // namespace ociproxy
