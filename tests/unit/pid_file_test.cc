#include "ociproxy/proc/pid_file.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace fs = std::filesystem;

class PidFileTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PidFileTest);
    CPPUNIT_TEST(holdsTheNumberAndGoesAtTheEnd);
    CPPUNIT_TEST(isReadableForAll);
    CPPUNIT_TEST(aLockedOneNamesWhoRuns);
    CPPUNIT_TEST(aStaleOneIsTakenOver);
    CPPUNIT_TEST(aLockEndsWithItsProcess);
    CPPUNIT_TEST(aChildsCopyCanBeClosed);
    CPPUNIT_TEST(linksAndOtherThingsAreRefused);
    CPPUNIT_TEST(aMissingDirectoryIsNamed);
    CPPUNIT_TEST(rootRefusesDirectoriesOfOthers);
    CPPUNIT_TEST(oneThatWasReplacedIsLeftAlone);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        char name[] = "/tmp/ociproxy-pid-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(name) != nullptr);
        directory_ = name;
        path_ = directory_ + "/run.pid";
    }
    void tearDown() override { fs::remove_all(directory_); }

    void holdsTheNumberAndGoesAtTheEnd() {
        {
            PidFile file(path_, Millis{0});
            CPPUNIT_ASSERT_EQUAL(cat(::getpid(), "\n"), content());
        }
        CPPUNIT_ASSERT(!fs::exists(path_));
    }

    void isReadableForAll() {
        const mode_t before = ::umask(077);
        PidFile file(path_, Millis{0});
        ::umask(before);
        struct stat info{};
        CPPUNIT_ASSERT_EQUAL(0, ::stat(path_.c_str(), &info));
        CPPUNIT_ASSERT_EQUAL(0644u, static_cast<unsigned>(info.st_mode & 07777));
    }

    void aLockedOneNamesWhoRuns() {
        PidFile file(path_, Millis{0});
        const std::string what = failure(EX_UNAVAILABLE);
        CPPUNIT_ASSERT_MESSAGE(what, what.find(cat("process ", ::getpid())) != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(what, what.find(path_) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(cat(::getpid(), "\n"), content());
    }

    // The number of a process that is gone, or of another one by now.
    void aStaleOneIsTakenOver() {
        std::ofstream(path_) << "1\nand more than one line\n";
        PidFile file(path_, Millis{0});
        CPPUNIT_ASSERT_EQUAL(cat(::getpid(), "\n"), content());
    }

    void aLockEndsWithItsProcess() {
        const pid_t pid = ::fork();
        CPPUNIT_ASSERT(pid >= 0);
        if (pid == 0) {
            PidFile file(path_, Millis{0});
            ::kill(::getpid(), SIGKILL);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        CPPUNIT_ASSERT_EQUAL(cat(pid, "\n"), content());
        PidFile file(path_, Millis{0});
        CPPUNIT_ASSERT_EQUAL(cat(::getpid(), "\n"), content());
    }

    void aChildsCopyCanBeClosed() {
        std::optional<PidFile> file(std::in_place, path_, Millis{0});
        WordPipe closed;
        WordPipe end;
        const pid_t pid = ::fork();
        CPPUNIT_ASSERT(pid >= 0);
        if (pid == 0) {
            file->close();
            file.reset();  // removes nothing
            closed.send();
            end.receive();
            ::_exit(0);
        }
        CPPUNIT_ASSERT(closed.receive());
        CPPUNIT_ASSERT(fs::exists(path_));
        file.reset();
        PidFile again(path_, Millis{0});
        end.send();
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
    }

    void linksAndOtherThingsAreRefused() {
        const std::string victim = directory_ + "/victim";
        std::ofstream(victim) << "precious";
        fs::create_symlink(victim, path_);
        failure(EX_CANTCREAT);
        fs::remove(path_);
        fs::create_hard_link(victim, path_);
        failure(EX_CANTCREAT);
        fs::remove(path_);
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path_.c_str(), 0600));
        failure(EX_CANTCREAT);
        fs::remove(path_);
        fs::create_directory(path_);
        failure(EX_CANTCREAT);
        CPPUNIT_ASSERT_EQUAL(std::uintmax_t{8}, fs::file_size(victim));
    }

    void aMissingDirectoryIsNamed() {
        path_ = directory_ + "/nowhere/run.pid";
        const std::string what = failure(EX_CANTCREAT);
        CPPUNIT_ASSERT_MESSAGE(what, what.find(directory_ + "/nowhere") != std::string::npos);
    }

    void rootRefusesDirectoriesOfOthers() {
        if (::geteuid() != 0) skipTest("only root can give a directory away");
        fs::permissions(directory_, fs::perms::owner_all | fs::perms::others_all);
        const std::string what = failure(EX_CANTCREAT);
        CPPUNIT_ASSERT_MESSAGE(what, what.find("others than root") != std::string::npos);
        fs::permissions(directory_, fs::perms::owner_all);
        CPPUNIT_ASSERT_EQUAL(0, ::chown(directory_.c_str(), 65534, 65534));
        failure(EX_CANTCREAT);
        CPPUNIT_ASSERT(!fs::exists(path_));
    }

    void oneThatWasReplacedIsLeftAlone() {
        {
            PidFile file(path_, Millis{0});
            fs::remove(path_);
            std::ofstream(path_) << "4711\n";
        }
        CPPUNIT_ASSERT_EQUAL(std::string("4711\n"), content());
    }

private:
    std::string content() const {
        std::ifstream in(path_);
        return std::string(std::istreambuf_iterator<char>(in), {});
    }

    std::string failure(int status) const {
        try {
            PidFile file(path_, Millis{0});
        } catch (const FatalError& e) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(e.what(), status, e.status());
            return e.what();
        }
        CPPUNIT_FAIL("a pid file was made");
        return "";
    }

    std::string directory_;
    std::string path_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PidFileTest);

}  // namespace ociproxy
