#include "ociproxy/proc/command_line.h"

#include <cstdlib>
#include <string>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/store_commands.h"
#include "proc/progress_bar.h"

namespace ociproxy {

using Action = CommandLine::Action;

class CommandLineTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CommandLineTest);
    CPPUNIT_TEST(nothingMeansServe);
    CPPUNIT_TEST(theFileIsTakenInEveryForm);
    CPPUNIT_TEST(smallAndLargeTDiffer);
    CPPUNIT_TEST(longNames);
    CPPUNIT_TEST(actionsExcludeEachOther);
    CPPUNIT_TEST(mistakesAreUsageErrors);
    CPPUNIT_TEST(mistakesAreNamed);
    CPPUNIT_TEST(commandsTakeTheirOwnOptions);
    CPPUNIT_TEST(commandsRefuseOtherOptions);
    CPPUNIT_TEST(purgeTargetsAreNormalised);
    CPPUNIT_TEST(progressIsALine);
    CPPUNIT_TEST(helpNamesEveryOption);
    CPPUNIT_TEST(aGivenFileIsRead);
    CPPUNIT_TEST(aFileThatIsNotThereIsAConfigurationError);
    CPPUNIT_TEST(aBadFileIsAConfigurationErrorThatNamesItsPlace);
    CPPUNIT_TEST_SUITE_END();

public:
    void nothingMeansServe() {
        CommandLine line = parseCommandLine({});
        CPPUNIT_ASSERT(line.action == Action::kServe);
        CPPUNIT_ASSERT(line.configFile.empty());
    }

    void theFileIsTakenInEveryForm() {
        for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
                 {"-c", "/a=b:c.conf"}, {"-c/a=b:c.conf"}, {"--config=/a=b:c.conf"},
                 {"--config", "/a=b:c.conf"}}) {
            CommandLine line = parseCommandLine(arguments);
            CPPUNIT_ASSERT_EQUAL(std::string("/a=b:c.conf"), line.configFile);
        }
        CommandLine both = parseCommandLine({"-t", "-c", "x"});
        CPPUNIT_ASSERT(both.action == Action::kCheck);
        CPPUNIT_ASSERT_EQUAL(std::string("x"), both.configFile);
    }

    void smallAndLargeTDiffer() {
        CPPUNIT_ASSERT(parseCommandLine({"-t"}).action == Action::kCheck);
        CPPUNIT_ASSERT(parseCommandLine({"-T"}).action == Action::kDump);
    }

    void longNames() {
        CPPUNIT_ASSERT(parseCommandLine({"--version"}).action == Action::kVersion);
        CPPUNIT_ASSERT(parseCommandLine({"--help"}).action == Action::kHelp);
        CPPUNIT_ASSERT(parseCommandLine({"--check"}).action == Action::kCheck);
        CPPUNIT_ASSERT(parseCommandLine({"--dump"}).action == Action::kDump);
    }

    void actionsExcludeEachOther() {
        CPPUNIT_ASSERT_EQUAL(EX_USAGE, statusOf({"-t", "-T"}));
        CPPUNIT_ASSERT_EQUAL(EX_USAGE, statusOf({"-t", "--version"}));
    }

    void mistakesAreUsageErrors() {
        for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
                 {"-x"}, {"--nonsense"}, {"file"}, {"-c"}, {"-c", ""}, {"--config="}, {"-"},
                 {""}, {"-c", "a", "-c", "b"}, {"-t", "-t"}, {"-tx"}, {"--check=yes"},
                 {"--", "file"}, {"-t", "file"}}) {
            CPPUNIT_ASSERT_EQUAL(EX_USAGE, statusOf(arguments));
        }
    }

    void mistakesAreNamed() {
        try {
            parseCommandLine({"--nonsense"});
            CPPUNIT_FAIL("accepted");
        } catch (const FatalError& e) {
            std::string what = e.what();
            CPPUNIT_ASSERT_MESSAGE(what, what.find("nonsense") != std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(what, what.find('\n') == std::string::npos);
        }
    }

    void commandsTakeTheirOwnOptions() {
        const CommandLine purge = parseCommandLine({"purge", "-c", "f", "a.test/b", "c.test/d"});
        CPPUNIT_ASSERT(purge.action == Action::kPurge);
        CPPUNIT_ASSERT_EQUAL(std::string("f"), purge.configFile);
        CPPUNIT_ASSERT((std::vector<std::string>{"a.test/b", "c.test/d"}) == purge.operands);
        const CommandLine verify =
            parseCommandLine({"-c", "f", "verify", "--repair", "--rate=2M", "--json"});
        CPPUNIT_ASSERT(verify.action == Action::kVerify);
        CPPUNIT_ASSERT(verify.repair && verify.json);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2} << 20, verify.rate);
        // Behind "--" all are operands, also what looks like a word of ours.
        CPPUNIT_ASSERT_EQUAL(std::string("verify"),
                             parseCommandLine({"purge", "--", "verify"}).operands.at(0));
    }

    void commandsRefuseOtherOptions() {
        for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
                 {"purge"}, {"verify", "x"}, {"verify", "purge", "x"}, {"purge", "-t", "x"},
                 {"-t", "verify"}, {"purge", "--repair", "x"}, {"--json"}, {"--rate=1M"},
                 {"verify", "--rate=0"}, {"verify", "--rate=x"}, {"verify", "-d"},
                 {"purge", "x", "-d"}, {"--repair"}}) {
            CPPUNIT_ASSERT_EQUAL(EX_USAGE, statusOf(arguments));
        }
    }

    void purgeTargetsAreNormalised() {
        const Config config = parseConfig("[upstream docker.io]\naliases = hub\n", "test");
        const std::string digest = cat("sha256:", std::string(64, 'a'));
        CPPUNIT_ASSERT(!parsePurgeTarget(digest, config).where);
        CPPUNIT_ASSERT_EQUAL(digest, parsePurgeTarget(digest, config).digest->text());
        for (const char* word : {"docker.io/alpine:3", "hub/library/alpine:3",
                                 "index.docker.io/alpine:3"}) {
            const PurgeTarget target = parsePurgeTarget(word, config);
            CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), target.where->upstream);
            CPPUNIT_ASSERT_EQUAL(std::string("library/alpine"), target.where->repository);
            CPPUNIT_ASSERT_EQUAL(std::string("3"), target.tag);
        }
        CPPUNIT_ASSERT(parsePurgeTarget(cat("quay.io/a/b@", digest), config).digest);
        CPPUNIT_ASSERT(parsePurgeTarget("quay.io/a/b", config).tag.empty());
        for (const char* word : {"", "x", "x/y", "quay.io/", "quay.io/a:3.*", "quay.io/a@x",
                                 "../etc", "quay.io/A", "sha256:abc"}) {
            CPPUNIT_ASSERT_THROW_MESSAGE(word, parsePurgeTarget(word, config), FatalError);
        }
    }

    void progressIsALine() {
        const std::uint64_t mega = 1024 * 1024;
        CPPUNIT_ASSERT_EQUAL(
            std::string("[===============               ]  50 %  10M/s  10s left"),
            progressText(100 * mega, 200 * mega, Millis{10'000}));
        CPPUNIT_ASSERT_EQUAL(cat('[', std::string(30, '='), "] 100 %  0M/s"),
                             progressText(0, 0, Millis{0}));
        CPPUNIT_ASSERT(startsWith(progressText(300, 200, Millis{1}), "[=============="));
    }

    void helpNamesEveryOption() {
        std::string help = helpText();
        for (const char* part : {"usage: ociproxy", "-cFILE", "-t", "-T", "--version", "--help",
                                 "--repair", "--rate", "--json", "ociproxy purge",
                                 "ociproxy verify"}) {
            CPPUNIT_ASSERT_MESSAGE(cat(part, " in ", help), help.find(part) != std::string::npos);
        }
        CPPUNIT_ASSERT(endsWith(help, "\n"));
    }

    void aGivenFileIsRead() {
        std::string file = write("workers = 3\n");
        Config config = readConfig(parseCommandLine({"-c", file}));
        ::unlink(file.c_str());
        CPPUNIT_ASSERT_EQUAL(3u, config.workerCount());
        CPPUNIT_ASSERT_EQUAL(file, configName(config));
        CPPUNIT_ASSERT_EQUAL(std::string("built-in defaults"), configName(defaultConfig()));
    }

    void aFileThatIsNotThereIsAConfigurationError() {
        CPPUNIT_ASSERT_EQUAL(EX_CONFIG, readStatus("/nonexistent/ociproxy.conf"));
    }

    void aBadFileIsAConfigurationErrorThatNamesItsPlace() {
        std::string file = write("# comment\nnonsense = 1\n");
        std::string reason;
        CPPUNIT_ASSERT_EQUAL(EX_CONFIG, readStatus(file, &reason));
        ::unlink(file.c_str());
        CPPUNIT_ASSERT_MESSAGE(reason, startsWith(reason, cat(file, ":2: ")));
    }

private:
    static int statusOf(const std::vector<std::string>& arguments) {
        try {
            parseCommandLine(arguments);
        } catch (const FatalError& e) {
            return e.status();
        }
        return EX_OK;
    }

    static int readStatus(const std::string& file, std::string* reason = nullptr) {
        try {
            readConfig(parseCommandLine({"-c", file}));
        } catch (const FatalError& e) {
            if (reason) *reason = e.what();
            return e.status();
        }
        return EX_OK;
    }

    static std::string write(const std::string& text) {
        char name[] = "/tmp/ociproxy-conf-XXXXXX";
        Fd fd(::mkstemp(name));
        CPPUNIT_ASSERT(fd);
        writeAll(fd.get(), text.data(), text.size(), name);
        return name;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CommandLineTest);

}  // namespace ociproxy
