#include "ociproxy/proc/child_policy.h"

#include <algorithm>
#include <csignal>
#include <sys/wait.h>
#include <sysexits.h>

#include "ociproxy/base/text.h"
#include "ociproxy/proc/signals.h"

namespace ociproxy {

bool ChildEnd::exited() const noexcept {
    return WIFEXITED(waitStatus);
}

bool ChildEnd::clean() const noexcept {
    return exited() && WEXITSTATUS(waitStatus) == 0;
}

bool ChildEnd::configFailure() const noexcept {
    return exited() && WEXITSTATUS(waitStatus) == EX_CONFIG;
}

bool ChildEnd::bootFailure() const noexcept {
    return configFailure() || (exited() && WEXITSTATUS(waitStatus) == EX_OSERR);
}

bool ChildEnd::killedBy(int signal) const noexcept {
    return WIFSIGNALED(waitStatus) && WTERMSIG(waitStatus) == signal;
}

std::string ChildEnd::text() const {
    if (exited()) return cat("exited with status ", WEXITSTATUS(waitStatus));
    return cat("was killed by ", signalName(WTERMSIG(waitStatus)),
               WCOREDUMP(waitStatus) ? " (core dumped)" : "");
}

void ChildPolicy::started(TimePoint now) noexcept {
    due_.reset();
    startedAt_ = now;
}

void ChildPolicy::forkFailed(TimePoint now) noexcept {
    backOff(now);
}

void ChildPolicy::ended(TimePoint now, const ChildEnd& end) noexcept {
    if (end.configFailure()) {
        gaveUp_ = true;
    } else if (now - startedAt_ >= limits_.steady) {
        shortLives_ = 0;
        due_ = now;
    } else {
        backOff(now);
    }
}

void ChildPolicy::backOff(TimePoint now) noexcept {
    Millis delay = limits_.firstDelay;
    for (unsigned i = 0; i < shortLives_ && delay < limits_.longestDelay; ++i) delay *= 2;
    ++shortLives_;
    due_ = now + std::min(delay, limits_.longestDelay);
}

}  // namespace ociproxy
