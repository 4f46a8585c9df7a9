#include "ociproxy/front/server.h"

#include <functional>
#include <string>

#include "front/acceptor.h"
#include "front/context.h"
#include "front/exchange.h"
#include "front/handshaker.h"
#include "front/reactor.h"
#include "front/sender.h"
#include "front/thread.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

// The threads and what they work on. A connection's way:
//   Acceptor -> Reactor -> handler -> Application -> Sender -> Reactor -> ...
class FrontServer::Impl {
public:
    Impl(const Options& options, Application* application)
        : context_(options, application), reactor_(&context_), sender_(&context_) {}
    ~Impl() { stop(); }

    void start();
    void stop() noexcept;
    void depart(Departure how) noexcept;
    bool idle() const noexcept;

private:
    enum class Phase { kNew, kRunning, kStopped };

    void startThreads();
    void startAcceptors();
    void spawn(const std::string& name, std::function<void()> body);
    void runHandler() noexcept;
    void runSender() noexcept;
    void runHandshaker() noexcept;
    void handle(std::shared_ptr<Connection> connection) noexcept;
    PaceLimits bodyPace() const;

    Context context_;
    Reactor reactor_;
    Sender sender_;
    std::unique_ptr<Handshaker> handshaker_;  // only with TLS
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    std::vector<std::unique_ptr<Thread>> threads_;
    std::atomic<unsigned> accepting_{0};
    Phase phase_ = Phase::kNew;
};

void FrontServer::Impl::start() {
    OCIPROXY_ASSERT(phase_ == Phase::kNew);
    phase_ = Phase::kRunning;
    try {
        startThreads();
        startAcceptors();
    } catch (const std::exception&) {
        stop();
        throw;
    }
}

// Acceptors come last: what they accept is served at once.
void FrontServer::Impl::startThreads() {
    spawn("reactor", [this] { reactor_.run(); });
    for (unsigned i = 0; i < context_.options.handlers; ++i) {
        spawn(cat("handler ", i), [this] { runHandler(); });
    }
    for (unsigned i = 0; i < context_.options.senders; ++i) {
        spawn(cat("sender ", i), [this] { runSender(); });
    }
    if (context_.options.tls) {
        handshaker_ = std::make_unique<Handshaker>(&context_);
        spawn("handshaker", [this] { runHandshaker(); });
    }
}

void FrontServer::Impl::startAcceptors() {
    Reply busy = context_.refusal(503, "too many connections");
    for (const Listener& listener : context_.options.listeners) {
        OCIPROXY_ASSERT(!listener.tls || context_.options.tls);
        acceptors_.push_back(std::make_unique<Acceptor>(&context_, listener, busy));
        Acceptor* const acceptor = acceptors_.back().get();
        acceptor->prepare();
        ++accepting_;
        try {
            spawn(cat("acceptor ", acceptors_.size() - 1), [this, acceptor] {
                acceptor->run();
                --accepting_;
            });
        } catch (const std::exception&) {
            --accepting_;
            throw;
        }
    }
}

void FrontServer::Impl::spawn(const std::string& name, std::function<void()> body) {
    std::unique_ptr<Thread> thread = std::make_unique<Thread>();
    threads_.reserve(threads_.size() + 1);
    thread->start(name, std::move(body));
    threads_.push_back(std::move(thread));
}

void FrontServer::Impl::stop() noexcept {
    if (phase_ != Phase::kRunning) return;
    phase_ = Phase::kStopped;
    for (const std::unique_ptr<Acceptor>& acceptor : acceptors_) acceptor->stop();
    context_.handlers->close();
    context_.senders->close();
    context_.handshakes.close();
    reactor_.requestStop();
    for (const std::unique_ptr<Thread>& thread : threads_) thread->join();
    // Alone now: exchanges and wakes of the application find closed queues.
    reactor_.closeAll();
}

void FrontServer::Impl::depart(Departure how) noexcept {
    if (context_.departure.load() < how) context_.departure.store(how);
    context_.inbox.wake();
}

// While leaving, an acceptor that has not ended may still bring a connection.
bool FrontServer::Impl::idle() const noexcept {
    if (context_.leaving() && accepting_.load() > 0) return false;
    return context_.connections.load() == 0;
}

void FrontServer::Impl::runHandler() noexcept {
    while (std::shared_ptr<Connection> connection = context_.handlers->pop()) {
        handle(std::move(connection));
    }
}

void FrontServer::Impl::runSender() noexcept {
    while (const std::shared_ptr<Connection> connection = context_.senders->pop()) {
        sender_.serve(connection);
    }
}

void FrontServer::Impl::runHandshaker() noexcept {
    while (const std::shared_ptr<Connection> connection = context_.handshakes.pop()) {
        handshaker_->serve(connection);
    }
}

void FrontServer::Impl::handle(std::shared_ptr<Connection> connection) noexcept {
    std::shared_ptr<ExchangeHandle> exchange;
    try {
        exchange = std::make_shared<ExchangeHandle>(connection, connection->pending,
                                                    context_.senders, bodyPace());
    } catch (const std::bad_alloc&) {
        context_.log(LogLevel::kError, "out of memory for a request");
        context_.finish(connection.get(), false);
        context_.inbox.give(std::move(connection), ConnectionState::kClosed);
        return;
    }
    connection.reset();
    context_.application->handle(std::move(exchange));
}

PaceLimits FrontServer::Impl::bodyPace() const {
    const Options& options = context_.options;
    return PaceLimits{options.bodyTimeout, options.minRate, options.minRateWindow};
}

FrontServer::FrontServer(const Options& options, Application* application)
    : impl_(std::make_unique<Impl>(options, application)) {}

FrontServer::~FrontServer() = default;

void FrontServer::start() { impl_->start(); }

void FrontServer::retire() { impl_->depart(Departure::kRetiring); }

void FrontServer::drain() { impl_->depart(Departure::kDraining); }

bool FrontServer::idle() const noexcept { return impl_->idle(); }

void FrontServer::stop() { impl_->stop(); }

}  // namespace ociproxy
