// Every input of the corpora, one test for each target: what once was found stays fixed.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <cppunit/TestAssert.h>
#include <cppunit/TestCase.h>
#include <cppunit/TestSuite.h>
#include <cppunit/extensions/TestFactory.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include "fuzz/targets.h"

namespace ociproxy::fuzz {
namespace {

namespace fs = std::filesystem;

fs::path corpusOf(const std::string& target) {
    const char* source = std::getenv("OCIPROXY_SRCDIR");
    CPPUNIT_ASSERT_MESSAGE("OCIPROXY_SRCDIR is not set", source != nullptr);
    return fs::path(source) / "tests/fuzz/corpus" / target;
}

std::vector<fs::path> inputsOf(const std::string& target) {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(corpusOf(target))) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    CPPUNIT_ASSERT_MESSAGE("the corpus is empty", !files.empty());
    return files;
}

std::string contentOf(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(stream), {});
    CPPUNIT_ASSERT_MESSAGE(file.string(), stream.good() || stream.eof());
    return content;
}

class Replay : public CppUnit::TestCase {
public:
    explicit Replay(const NamedTarget& target)
        : CppUnit::TestCase("FuzzReplay::" + target.name), target_(target) {}

    void runTest() override {
        runOnCopy(target_.run, "");
        for (const fs::path& file : inputsOf(target_.name)) {
            try {
                runOnCopy(target_.run, contentOf(file));
            } catch (const std::exception& e) {
                CPPUNIT_FAIL(file.string() + ": " + e.what());
            }
        }
    }

private:
    const NamedTarget target_;
};

class ReplayFactory : public CppUnit::TestFactory {
public:
    CppUnit::Test* makeTest() override {
        CppUnit::TestSuite* suite = new CppUnit::TestSuite("FuzzReplay");  // owned by the runner
        for (const NamedTarget& target : targets()) suite->addTest(new Replay(target));
        return suite;
    }
};

ReplayFactory factory;
[[maybe_unused]] const bool registered = [] {
    CppUnit::TestFactoryRegistry::getRegistry().registerFactory(&factory);
    return true;
}();

}  // namespace
}  // namespace ociproxy::fuzz
