#include "proxy/work.h"

namespace ociproxy {

Work::~Work() = default;

bool Work::join(SessionPtr session) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (released_) return false;
    sessions_.push_back(std::move(session));
    return true;
}

void Work::release(const WorkResult& result) {
    std::vector<SessionPtr> sessions;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        released_ = true;
        sessions.swap(sessions_);
    }
    bool first = true;
    for (SessionPtr& session : sessions) {
        apply(result, first, &session->findings);
        first = false;
        replanner_->replan(std::move(session));
    }
}

}  // namespace ociproxy
