// The command line and configuration files that are wrong.
#include <sys/stat.h>

#include "integration/integration_test.h"

namespace ociproxy::itest {

namespace {

constexpr int kConfigError = 78;  // EX_CONFIG
constexpr int kUsageError = 64;   // EX_USAGE

}  // namespace

class CommandLineTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(CommandLineTest);
    OCIPROXY_INTEGRATION_TEST(versionAndHelp);
    OCIPROXY_INTEGRATION_TEST(unknownOptions);
    OCIPROXY_INTEGRATION_TEST(checkAcceptsAGoodFile);
    OCIPROXY_INTEGRATION_TEST(dumpIsAConfigurationAgain);
    OCIPROXY_INTEGRATION_TEST(wrongFilesNameFileAndLine);
    OCIPROXY_INTEGRATION_TEST(wrongFilesTouchNothing);
    OCIPROXY_INTEGRATION_TEST(missingFile);
    OCIPROXY_INTEGRATION_TEST(portInUse);
    OCIPROXY_INTEGRATION_TEST(comments);
    OCIPROXY_INTEGRATION_TEST(severalListeners);
    OCIPROXY_INTEGRATION_TEST(cacheIsPrivate);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        root_ = std::make_unique<TempRoot>();
    }

    void tearDown() override {
        root_.reset();
        IntegrationTest::tearDown();
    }

    void versionAndHelp() {
        const Finished version = runProxy({"--version"});
        CPPUNIT_ASSERT_EQUAL(0, version.status);
        CPPUNIT_ASSERT_MESSAGE(version.out, startsWith(version.out, "ociproxy "));
        const Finished help = runProxy({"--help"});
        CPPUNIT_ASSERT_EQUAL(0, help.status);
        for (const char* option : {"-c", "-t", "-T", "--version", "--help"}) {
            assertContains(help.out, option);
        }
    }

    void unknownOptions() {
        for (const std::string& option : {std::string("--nonsense"), std::string("-x"),
                                          std::string("argument")}) {
            const Finished finished = runProxy({option});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(finished.err, kUsageError, finished.status);
            CPPUNIT_ASSERT(!finished.err.empty());
        }
    }

    void checkAcceptsAGoodFile() {
        const std::string file =
            write("workers = 3\n[upstream x.test]\nurl = http://127.0.0.1:1\n");
        const Finished finished = runProxy({"-t", "-c", file});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(finished.err, 0, finished.status);
        assertNothingMade();
    }

    void dumpIsAConfigurationAgain() {
        const std::string file =
            write("workers = 3\nfollow_after = never\n"
                  "[upstream x.test]\nurl = http://127.0.0.1:1\naliases = x\npublic = yes\n");
        const Finished first = runProxy({"-T", "-c", file});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(first.err, 0, first.status);
        for (const char* part : {"workers = 3", "follow_after = never", "[upstream x.test]",
                                 "public = yes", "log_level = info"}) {
            assertContains(first.out, part);
        }
        const std::string copy = root_->file("copy.conf");
        writeFile(copy, first.out);
        const Finished second = runProxy({"-T", "-c", copy});
        CPPUNIT_ASSERT_EQUAL(first.out, second.out);
        assertNothingMade();
    }

    void wrongFilesNameFileAndLine() {
        assertRefused("nonsense = 1\n", 1);
        assertRefused("\n\nworkers = many\n", 3);
        assertRefused("workers = 0\n", 1);
        assertRefused("workers = 1\nworkers = 2\n", 2);
        assertRefused("log_level\n", 1);
        assertRefused("follow_after = soon\n", 1);
        assertRefused("listen = 1.2.3.4.5:80\n", 1);
        assertRefused("[downstream x]\n", 1);
        assertRefused("[upstream x.test]\nurl = ftp://x\n", 2);
        assertRefused("[upstream x.test]\nurl = http://127.0.0.1:1\n\nnonsense = 1\n", 4);
        assertRefused("[upstream x.test]\npublic = maybe\n", 2);
        assertRefused("[upstream x.test]\nallow_addresses = 127.0.0.1/8\n", 2);
        assertRefused("[upstream x.test]\n[upstream x.test]\n", 2);
    }

    void wrongFilesTouchNothing() {
        const std::string file = write("nonsense = 1\n");
        for (const char* mode : {"", "-t", "-T"}) {
            std::vector<std::string> arguments{"-c", file};
            if (*mode != '\0') arguments.push_back(mode);
            const Finished finished = runProxy(arguments);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(finished.err, kConfigError, finished.status);
            assertNothingMade();
        }
    }

    void missingFile() {
        const Finished finished = runProxy({"-c", root_->file("absent.conf")});
        CPPUNIT_ASSERT(finished.status != 0 && finished.status < 128);
        assertContains(finished.err, "absent.conf");
    }

    void portInUse() {
        const std::string address = up().authority();
        const std::string file = write(cat("listen = ", address, "\n"));
        const Finished finished = runProxy({"-c", file});
        CPPUNIT_ASSERT_MESSAGE(finished.err, finished.status != 0 && finished.status < 128);
        assertContains(finished.err, address);
    }

    void comments() {
        startProxy({1, "# a comment\n   # another\n\t\n", "public = auto   # the default\n", ""});
        assertServed(get("/v2/"), "{}");
    }

    void severalListeners() {
        startProxy({1, "listen = 127.0.0.1:0\nlisten = [::1]:0\n", "", ""});
        assertServed(get("/v2/"), "{}");
        assertContains(proxy().log(), "[::1]:");
    }

    void cacheIsPrivate() {
        startProxy();
        const std::string bytes = randomBytes(100);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        CPPUNIT_ASSERT_EQUAL(0700u, modeOf(proxy().store().directory()));
        CPPUNIT_ASSERT_EQUAL(0700u, modeOf(proxy().store().directory() + "/blobs"));
        CPPUNIT_ASSERT_EQUAL(0600u, modeOf(proxy().store().blobPath(digest)));
    }

private:
    // `text` begins in the second line of the file.
    std::string write(const std::string& text) {
        const std::string file = root_->file("test.conf");
        writeFile(file, cat("cache_dir = ", root_->file("cache"), "\n", text));
        return file;
    }

    // `line`: of `text`.
    void assertRefused(const std::string& text, int line) {
        const std::string file = write(text);
        const Finished finished = runProxy({"-c", file});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(cat(text, finished.err), kConfigError, finished.status);
        assertContains(finished.err, cat(file, ":", line + 1, ":"));
        assertNothingMade();
    }

    void assertNothingMade() { CPPUNIT_ASSERT(!exists(root_->file("cache"))); }

    static unsigned modeOf(const std::string& path) {
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL_MESSAGE(path, 0, ::stat(path.c_str(), &status));
        return status.st_mode & 07777u;
    }

    std::unique_ptr<TempRoot> root_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(CommandLineTest);

}  // namespace ociproxy::itest
