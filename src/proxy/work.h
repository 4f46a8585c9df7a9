#ifndef OCIPROXY_SRC_PROXY_WORK_H
#define OCIPROXY_SRC_PROXY_WORK_H

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ociproxy/base/clock.h"
#include "proxy/findings.h"
#include "proxy/session.h"

namespace ociproxy {

// The lanes of the upstream pool: what is small never queues behind blob bodies, and fills
// never behind bodies that are as slow as their client.
enum class Lane : std::uint8_t { kSmall, kFill, kPass };

// Plans a session anew, on a thread that may look at the disk.
class Replanner {
public:
    virtual ~Replanner() = default;
    virtual void replan(SessionPtr session) = 0;
};

// Something asked of an upstream on behalf of the sessions that joined it. It claims
// when its thread runs, holds one claim, does one exchange and never waits for
// another work. What it learned it leaves in store, links, tags, board and table;
// what concerns only its sessions it hands them by release().
class Work {
public:
    Work(std::string joinKey, std::string upstream, Lane lane, Replanner* replanner)
        : joinKey_(std::move(joinKey)), upstream_(std::move(upstream)), lane_(lane),
          replanner_(replanner) {}
    virtual ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    const std::string& joinKey() const noexcept { return joinKey_; }
    const std::string& upstream() const noexcept { return upstream_; }
    Lane lane() const noexcept { return lane_; }

    // Adds a session; false once the sessions were released.
    bool join(SessionPtr session);
    // Runs on a thread of the pool. Releases its sessions, at the latest at the end.
    virtual void run() noexcept = 0;
    // Hands the result to every session and plans it anew; once, later calls do nothing.
    // The session that came first is the one that "started" a fill.
    void release(const WorkResult& result);

private:
    std::string joinKey_;
    std::string upstream_;
    Lane lane_;
    Replanner* replanner_;
    std::mutex mutex_;
    bool released_ = false;
    std::vector<SessionPtr> sessions_;
};

using WorkPtr = std::shared_ptr<Work>;

}  // namespace ociproxy

#endif
