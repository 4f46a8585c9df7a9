#ifndef OCIPROXY_TESTS_INTEGRATION_TAMPERING_H
#define OCIPROXY_TESTS_INTEGRATION_TAMPERING_H

#include <string>
#include <vector>

#include <sys/types.h>

#include "integration/temp_root.h"

namespace ociproxy::itest {

// strace on a running process, which lets go of it at the end. One thread.
class Tampering {
public:
    // Returns when it is attached. Skips the running test where that is not permitted.
    Tampering(pid_t victim, const std::vector<std::string>& options);
    ~Tampering() { end(); }
    Tampering(const Tampering&) = delete;
    Tampering& operator=(const Tampering&) = delete;

    void end();
    // What strace has said of the calls so far, line by line.
    std::vector<std::string> calls() const;

private:
    std::string said() const;

    TempRoot root_;
    pid_t pid_ = 0;
};

}  // namespace ociproxy::itest

#endif
