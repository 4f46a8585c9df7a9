#include "support/runner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

#include <cppunit/Exception.h>
#include <cppunit/Protector.h>
#include <cppunit/Test.h>
#include <cppunit/TestFailure.h>
#include <cppunit/TestListener.h>
#include <cppunit/TestResult.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

namespace {

// Not a std::exception, so that a test which catches those lets it pass.
struct Skipped {
    std::string reason;
};

// The watchdog is alarm(2), not a thread: tests fork, and a fork is safe, also
// under ThreadSanitizer, only while there is one thread. A child inherits no alarm.
char g_watched[256];

extern "C" void onAlarm(int) {
    static const char before[] = "\nTIMEOUT ";
    static const char after[] = ": ran too long\n";
    (void)!write(STDOUT_FILENO, before, sizeof before - 1);
    (void)!write(STDOUT_FILENO, g_watched, std::strlen(g_watched));
    (void)!write(STDOUT_FILENO, after, sizeof after - 1);
    std::abort();
}

unsigned watchdogSeconds() {
    const char* text = std::getenv("OCIPROXY_TEST_TIMEOUT");
    return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 120;
}

// Reports every test as it ends, and counts tests, not failures: a test that
// fails in its body and again in tearDown() is one failed test.
class Progress : public CppUnit::TestListener {
public:
    void startTest(CppUnit::Test* test) override {
        skipReason_.clear();
        skipped_ = false;
        std::string name = test->getName();
        name.copy(g_watched, sizeof g_watched - 1);
        g_watched[std::min(name.size(), sizeof g_watched - 1)] = '\0';
        alarm(watchdogSeconds());
        start_ = std::chrono::steady_clock::now();
    }

    void addFailure(const CppUnit::TestFailure& failure) override {
        failed_.insert(failure.failedTest());
        const CppUnit::SourceLine where = failure.sourceLine();
        std::cout << "  " << (where.isValid() ? where.fileName() : "(unknown place)") << ":"
                  << (where.isValid() ? where.lineNumber() : 0) << ": "
                  << failure.thrownException()->message().shortDescription() << "\n"
                  << failure.thrownException()->message().details() << std::flush;
    }

    void endTest(CppUnit::Test* test) override {
        alarm(0);
        const auto took = std::chrono::steady_clock::now() - start_;
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
        ++run_;
        if (failed_.count(test) != 0) {
            print("FAIL", ms, test->getName());
        } else if (skipped_) {
            ++skippedCount_;
            std::cout << "SKIP " << test->getName() << ": " << skipReason_ << std::endl;
        } else {
            print("ok", ms, test->getName());
        }
    }

    void noteSkip(const std::string& reason) {
        skipped_ = true;
        skipReason_ = reason;
    }

    // Prints the count and returns the exit status of the program.
    int finish(const char* suiteName) const {
        const int failed = static_cast<int>(failed_.size());
        std::cout << suiteName << ": " << run_ - failed - skippedCount_ << " passed, " << failed
                  << " failed, " << skippedCount_ << " skipped" << std::endl;
        return failed == 0 && run_ > 0 ? 0 : 1;
    }

private:
    static void print(const char* outcome, long long ms, const std::string& name) {
        std::cout << std::left << std::setw(4) << outcome << std::right << std::setw(7) << ms
                  << " ms  " << name << std::endl;
    }

    std::chrono::steady_clock::time_point start_;
    std::set<CppUnit::Test*> failed_;
    std::string skipReason_;
    bool skipped_ = false;
    int run_ = 0;
    int skippedCount_ = 0;
};

// Sees the exceptions of setUp, test and tearDown before CppUnit's own
// protector makes "unknown exception" of a skip.
class SkipProtector : public CppUnit::Protector {
public:
    explicit SkipProtector(Progress& progress) : progress_(progress) {}

    bool protect(const CppUnit::Functor& functor, const CppUnit::ProtectorContext&) override {
        try {
            return functor();
        } catch (const Skipped& skip) {
            progress_.noteSkip(skip.reason);
            return false;  // after setUp() this leaves the test itself out
        }
    }

private:
    Progress& progress_;
};

struct Leaf {
    std::string path;
    CppUnit::Test* test;
};

// The registry keeps suites in the order of their addresses, which differs from
// run to run; theirs here is that of their names. Tests keep the order of their suite.
void collectLeaves(CppUnit::Test* test, const std::string& parent, std::vector<Leaf>& leaves) {
    const std::string path = parent.empty() ? test->getName() : parent + "/" + test->getName();
    std::vector<CppUnit::Test*> children;
    for (int i = 0; i < test->getChildTestCount(); ++i) children.push_back(test->getChildTestAt(i));
    if (children.empty() && test->countTestCases() == 1) leaves.push_back({path, test});
    if (parent.empty()) {
        std::sort(children.begin(), children.end(),
                  [](auto* a, auto* b) { return a->getName() < b->getName(); });
    }
    for (CppUnit::Test* child : children) collectLeaves(child, path, leaves);
}

bool wanted(const Leaf& leaf, const std::vector<std::string>& words) {
    return words.empty() || std::any_of(words.begin(), words.end(), [&](const std::string& word) {
               return leaf.path.find(word) != std::string::npos;
           });
}

}  // namespace

void skipTest(const std::string& reason) {
    throw Skipped{reason};
}

int runAllTests(int argc, char** argv, const char* suiteName) {
    bool list = false;
    std::vector<std::string> words;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "-l") {
            list = true;
        } else if (arg.empty() || arg[0] == '-') {
            std::cerr << "usage: " << argv[0] << " [-l] [WORD]...\n";
            return 2;
        } else {
            words.push_back(arg);
        }
    }

    CppUnit::Test* root = CppUnit::TestFactoryRegistry::getRegistry().makeTest();
    std::vector<Leaf> leaves;
    collectLeaves(root, "", leaves);

    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGHUP, SIG_DFL);  // ignored under nohup, and so by what the tests start
    std::signal(SIGALRM, onAlarm);
    Progress progress;
    CppUnit::TestResult result;
    result.addListener(&progress);
    result.pushProtector(new SkipProtector(progress));  // owned by the result
    for (const Leaf& leaf : leaves) {
        if (!wanted(leaf, words)) continue;
        if (list) {
            std::cout << leaf.path << "\n";
        } else {
            leaf.test->run(&result);
        }
    }
    const int status = list ? 0 : progress.finish(suiteName);
    delete root;
    return status;
}
