// The CppUnit runner shared by the unit and the integration program.
#ifndef OCIPROXY_TESTS_SUPPORT_RUNNER_H
#define OCIPROXY_TESTS_SUPPORT_RUNNER_H

#include <string>

// Runs the registered tests in the order of their names' suites and prints each
// with its duration. Arguments: words, to run only the tests whose path
// ("All Tests/FdTest/FdTest::closes") holds one of them; -l lists.
//
// Prints "<suite>: N passed, N failed, N skipped" last and returns 0 if something
// ran and nothing failed. A test that runs longer than 120 s (environment
// OCIPROXY_TEST_TIMEOUT, in seconds, 0 for no limit) ends the program with its name;
// make allows 600 s under a sanitizer.
//
// Children forked by a test must end with _exit(), or they run the remaining tests.
int runAllTests(int argc, char** argv, const char* suiteName);

// Ends the running test, or its setUp(), as skipped. Only from the thread of the
// test; not below a catch (...).
[[noreturn]] void skipTest(const std::string& reason);

#endif
