#ifndef OCIPROXY_PROXY_STATUS_PAGES_H
#define OCIPROXY_PROXY_STATUS_PAGES_H

#include <memory>
#include <string>

#include "ociproxy/front/application.h"

namespace ociproxy {

class SharedState;

// What an operator's machines ask, on a listener of its own:
//
//   /metrics  the counters of shared memory in Prometheus' text format
//   /healthz  200 while this process answers at all
//   /readyz   200 while a worker takes connections and the cache can be written to, else
//             503 that says what is wrong
//
// Looks at shared memory only and asks no worker: it answers, too, while all of them are
// busy or dead. Any thread.
class StatusPages : public Application {
public:
    struct Options {
        SharedState* shared = nullptr;
        std::string version;
    };

    explicit StatusPages(const Options& options) : options_(options) {}

    void handle(std::shared_ptr<Exchange> exchange) noexcept override;
    Reply errorReply(int status, std::string_view message) noexcept override;
    void finished(const Finished&) noexcept override {}

private:
    Reply replyTo(const Request& request);
    Reply readiness();

    Options options_;
};

}  // namespace ociproxy

#endif
