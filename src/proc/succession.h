#ifndef OCIPROXY_SRC_PROC_SUCCESSION_H
#define OCIPROXY_SRC_PROC_SUCCESSION_H

#include <memory>
#include <optional>

#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/master.h"
#include "proc/crew.h"

namespace ociproxy {

// The crews of the generations, two at most:
//   current   serves and is kept whole
//   next      starts beside it, and either takes its place or leaves
//   leaving   ends what its clients wait for, against a limit
// next and leaving are never there together. The janitor moves on last: the next one
// starts when the present one is gone.
//
// Not synchronized: the master's one thread.
class Succession {
public:
    // `options` must outlive this.
    Succession(const Generation& first, const Master::Options& options);

    const Heritage& heritage() const noexcept { return current_->heritage(); }
    const Generation& generation() const noexcept { return current_->generation(); }
    const Crew& current() const noexcept { return *current_; }

    // Whether there is only the current one.
    bool settled() const noexcept { return !next_ && !leaving_; }
    // How many of the leaving one's children are left.
    unsigned leaving() const noexcept { return leaving_ ? leaving_->living() : 0; }
    // Starts `generation` as the next one. REQUIRES: settled().
    void renew(const Generation& generation, TimePoint now);

    enum class Step : std::uint8_t { kNone, kReplaced, kRefused };
    // Goes on with what is under way: the next one takes over when it is ready, and
    // leaves when it fails (refusal() says why); who leaves too slowly is hurried.
    Step advance(TimePoint now);
    const std::string& refusal() const noexcept { return refusal_; }
    // When advance() has something to do though nothing happens.
    std::optional<TimePoint> limit() const noexcept { return limit_; }

    void startDue(TimePoint now);
    std::optional<TimePoint> due() const noexcept;
    void reap(TimePoint now);
    void hear(Millis atMost);
    void watch(TimePoint now, TimePoint since);
    void signalAll(int number) noexcept;
    void expectEnd() noexcept;
    void reopenLogs() const;

    bool empty() const noexcept;
    bool booting() const noexcept;
    bool faulty() const noexcept { return faulty_ || current_->faulty(); }

private:
    std::unique_ptr<Crew> makeCrew(const Generation& generation, std::uint32_t firstIndex);
    void retire(std::unique_ptr<Crew> crew, TimePoint now);
    void enforceLimit(TimePoint now);
    void bury(pid_t pid, const ChildEnd& end, TimePoint now);
    template <class Call>
    void each(Call&& call) const;

    const Master::Options& options_;
    std::unique_ptr<Crew> current_;
    std::unique_ptr<Crew> next_;
    std::unique_ptr<Crew> leaving_;
    std::optional<TimePoint> limit_;  // of the leaving one
    bool hurried_ = false;
    bool faulty_ = false;  // of crews that are gone
    std::string refusal_;
};

}  // namespace ociproxy

#endif
