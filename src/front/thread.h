#ifndef OCIPROXY_SRC_FRONT_THREAD_H
#define OCIPROXY_SRC_FRONT_THREAD_H

#include <functional>
#include <pthread.h>
#include <string>

namespace ociproxy {

// A named thread with a small stack and all signals blocked: signals belong to the
// process's main thread. start() and join() are called by one thread.
class Thread {
public:
    Thread() = default;
    ~Thread();  // REQUIRES: joined
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

    // `name` is shown by ps and top; at most 15 characters count. `body` must not
    // throw: an exception that leaves it ends the process. Throws SysError.
    void start(const std::string& name, std::function<void()> body);
    void join();  // nothing if not started

private:
    pthread_t thread_{};
    bool started_ = false;
};

}  // namespace ociproxy

#endif
