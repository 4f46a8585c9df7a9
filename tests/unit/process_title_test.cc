#include "ociproxy/proc/process_title.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"

namespace ociproxy {

class ProcessTitleTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessTitleTest);
    CPPUNIT_TEST(theTitleFillsItsMemoryWithZeros);
    CPPUNIT_TEST(aLongTitleIsCut);
    CPPUNIT_TEST(withoutMemoryNothingHappens);
    CPPUNIT_TEST(theMemoryOfAdjacentStringsIsTaken);
    CPPUNIT_TEST(memoryBehindAGapIsLeftAlone);
    CPPUNIT_TEST(theKernelShowsTitleAndName);
    CPPUNIT_TEST(theEnvironmentSurvives);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        ::prctl(PR_GET_NAME, name_);
        environ_ = environ;
    }
    void tearDown() override {
        ::prctl(PR_SET_NAME, name_);
        environ = environ_;
    }

    void theTitleFillsItsMemoryWithZeros() {
        char area[16];
        std::memset(area, 'x', sizeof area);
        ProcessTitle(area, sizeof area - 1).set("worker 0", "w0");
        CPPUNIT_ASSERT_EQUAL(std::string("worker 0\0\0\0\0\0\0\0x", 16), std::string(area, 16));
    }

    void aLongTitleIsCut() {
        char area[8];
        std::memset(area, 'x', sizeof area);
        ProcessTitle(area, 7).set("a title that is too long", "a name that is too long");
        CPPUNIT_ASSERT_EQUAL(std::string("a titl\0x", 8), std::string(area, 8));
        char name[16] = {};
        ::prctl(PR_GET_NAME, name);
        CPPUNIT_ASSERT_EQUAL(std::string("a name that is "), std::string(name));
    }

    void withoutMemoryNothingHappens() {
        ProcessTitle(nullptr, 0).set("title", "name");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, ProcessTitle::over(0, nullptr).size());
    }

    void theMemoryOfAdjacentStringsIsTaken() {
        inChild([] {
            char area[] = "prog\0-c\0file\0A=1\0B=22";
            char* argv[] = {area, area + 5, area + 8, nullptr};
            char* env[] = {area + 13, area + 17, nullptr};
            environ = env;
            return ProcessTitle::over(3, argv).size() == sizeof area;
        });
    }

    void memoryBehindAGapIsLeftAlone() {
        inChild([] {
            char area[] = "prog\0-c";
            char elsewhere[] = "A=1";
            char* argv[] = {area, area + 5, nullptr};
            char* env[] = {elsewhere, nullptr};
            environ = env;
            ProcessTitle title = ProcessTitle::over(2, argv);
            title.set("a title longer than that", "n");
            return title.size() == sizeof area && std::string(elsewhere) == "A=1";
        });
    }

    void theKernelShowsTitleAndName() {
        inChild([] {
            std::vector<char*> argv;
            std::vector<unsigned long> places = ownPlaces();
            for (char* at = reinterpret_cast<char*>(places[0]);
                 at < reinterpret_cast<char*>(places[1]); at += std::strlen(at) + 1) {
                argv.push_back(at);
            }
            argv.push_back(nullptr);
            ProcessTitle title =
                ProcessTitle::over(static_cast<int>(argv.size()) - 1, argv.data());
            title.set("ociproxy: worker 7", "ociproxy-w7");
            std::string line = contents("/proc/self/cmdline");
            return line.substr(0, line.find('\0')) == "ociproxy: worker 7" &&
                   line.find_first_not_of('\0', line.find('\0')) == std::string::npos &&
                   contents("/proc/self/comm") == "ociproxy-w7\n";
        });
    }

    void theEnvironmentSurvives() {
        inChild([] {
            char area[] = "prog\0KEY=value";
            char* argv[] = {area, nullptr};
            char* env[] = {area + 5, nullptr};
            environ = env;
            ProcessTitle::over(1, argv).set("ociproxy: a title over all of it", "n");
            const char* value = ::getenv("KEY");
            return value && std::string(value) == "value" && ::setenv("OTHER", "1", 1) == 0 &&
                   std::string(::getenv("KEY")) == "value" &&
                   std::string(program_invocation_short_name) == "ociproxy";
        });
    }

private:
    // Changes of environ and of the real argv are for a process of its own.
    template <class Check>
    static void inChild(Check check) {
        pid_t pid = ::fork();
        CPPUNIT_ASSERT(pid >= 0);
        if (pid == 0) ::_exit(check() ? 0 : 1);
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    static std::string contents(const char* file) {
        Fd fd(::open(file, O_RDONLY | O_CLOEXEC));
        char buffer[4096];
        ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        return std::string(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
    }

    // arg_start and arg_end of proc(5): fields 48 and 49, counted behind the name.
    static std::vector<unsigned long> ownPlaces() {
        std::string stat = contents("/proc/self/stat");
        std::vector<std::string_view> fields =
            words(std::string_view(stat).substr(stat.rfind(')') + 2));
        return {std::stoul(std::string(fields[45])), std::stoul(std::string(fields[46]))};
    }

    char name_[16] = {};
    char** environ_ = nullptr;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessTitleTest);

}  // namespace ociproxy
