#ifndef OCIPROXY_SRC_PROC_HEARTBEAT_H
#define OCIPROXY_SRC_PROC_HEARTBEAT_H

#include <condition_variable>
#include <mutex>
#include <thread>

#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

// Says every second that this worker lives, on a thread of its own: no upstream, no
// disk and no client can make a worker look dead, only what stops the whole process.
class Heartbeat {
public:
    // `table` must outlive this.
    Heartbeat(WorkerTable* table, const WorkerId& self);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

private:
    void run();

    WorkerTable* table_;
    WorkerId self_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    std::thread thread_;  // last: everything it uses is there before it
};

}  // namespace ociproxy

#endif
