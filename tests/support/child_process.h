// Checks in a forked process, for what a process cannot undo.
#ifndef OCIPROXY_TESTS_SUPPORT_CHILD_PROCESS_H
#define OCIPROXY_TESTS_SUPPORT_CHILD_PROCESS_H

#include <functional>
#include <string>

namespace ociproxy {

// Runs `body` in a forked process; fails the running test with what check() or an
// exception said there. The test must have one thread.
void inChild(const std::function<void()>& body);

// In there: that `truth` holds.
void check(bool truth, const std::string& what);

}  // namespace ociproxy

#endif
