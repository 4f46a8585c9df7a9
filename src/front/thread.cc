#include "front/thread.h"

#include <csignal>
#include <memory>

#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

struct Start {
    std::string name;
    std::function<void()> body;
};

// Sanitizers keep much of their own state on the stack.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackSize = 0;  // the system's default
#else
constexpr std::size_t kStackSize = 256 * 1024;
#endif

void* entry(void* argument) noexcept {
    const std::unique_ptr<Start> start(static_cast<Start*>(argument));
    pthread_setname_np(pthread_self(), start->name.c_str());
    start->body();
    return nullptr;
}

// Created with every signal blocked from its first instruction on.
int create(pthread_t* thread, Start* start) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_attr_t attributes;
    if (const int error = pthread_attr_init(&attributes)) return error;
    int error = kStackSize > 0 ? pthread_attr_setstacksize(&attributes, kStackSize) : 0;
    if (error == 0) {
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(thread, &attributes, entry, start);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

}  // namespace

Thread::~Thread() { OCIPROXY_ASSERT(!started_); }

void Thread::start(const std::string& name, std::function<void()> body) {
    OCIPROXY_ASSERT(!started_);
    std::unique_ptr<Start> start(new Start{name.substr(0, 15), std::move(body)});
    if (const int error = create(&thread_, start.get())) {
        throwErrno("start thread " + name, error);
    }
    start.release();  // the thread's
    started_ = true;
}

void Thread::join() {
    if (!started_) return;
    pthread_join(thread_, nullptr);
    started_ = false;
}

}  // namespace ociproxy
