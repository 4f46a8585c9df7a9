#ifndef OCIPROXY_SRC_PROXY_SESSION_H
#define OCIPROXY_SRC_PROXY_SESSION_H

#include <memory>

#include "ociproxy/front/application.h"
#include "proxy/findings.h"
#include "proxy/target.h"

namespace ociproxy {

// One client request on its way through plans, waits and works. Whoever holds the
// turn (a planning thread, the watcher's list, a work) is the only one to touch it.
struct Session {
    Session(std::shared_ptr<Exchange> held, Target chosen)
        : exchange(std::move(held)), target(std::move(chosen)) {}

    std::shared_ptr<Exchange> exchange;
    Target target;
    Findings findings;
};

using SessionPtr = std::shared_ptr<Session>;

}  // namespace ociproxy

#endif
