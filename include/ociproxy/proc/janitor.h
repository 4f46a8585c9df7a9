#ifndef OCIPROXY_PROC_JANITOR_H
#define OCIPROXY_PROC_JANITOR_H

#include "ociproxy/base/clock.h"

namespace ociproxy {

class Log;
class SharedState;
class Store;
struct Heritage;
struct Seat;

// What is done to the store beside serving: makes partials of temporary files that no
// claim names or reaps them, keeps partials within their bounds, and looks whether the
// disk can be written to; DiskKeeper beside it measures and evicts. What fails is logged
// and tried again in its turn. Not synchronized: one thread.
class Janitor {
public:
    struct Options {
        Store* store = nullptr;
        SharedState* shared = nullptr;
        Log* log = nullptr;
        // Set for the first janitor after a start of the master: whatever was written
        // before this belongs to processes that are gone, and need not age.
        bool allEarlierGone = false;
        TimePoint earlier{};
        Millis checkEvery{2'000};
        Millis reapEvery{10'000};
        Millis reapIdle{60'000};
        Millis partialMaxAge{86'400'000};  // 0: none are kept
    };

    explicit Janitor(const Options& options) noexcept;

    // Does what is due; returns when to call it next.
    TimePoint work(TimePoint now);

private:
    void check();
    void reap(TimePoint now);
    void reapPartials();
    Millis reapAge(TimePoint now) noexcept;

    Options options_;
    bool failing_ = false;
    TimePoint checkAt_ = TimePoint::min();
    TimePoint reapAt_ = TimePoint::min();
};

// The body of the janitor process (Master::Body): works on a thread of its own, so
// that the main thread can obey signals while the disk is slow. Serves the pages for
// operators (StatusPages) if there are listeners for them: here, because no client can
// keep this process busy.
int runJanitor(const Heritage& heritage, Seat& seat);

}  // namespace ociproxy

#endif
