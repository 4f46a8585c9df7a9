#include "proxy/store_trouble.h"

#include <string>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {

void StoreTrouble::report(std::string_view what, const std::exception& cause) noexcept {
    counters_->add(Counter::kStoreTroubles);
    try {
        const SysError* const system = dynamic_cast<const SysError*>(&cause);
        std::uint64_t unsaid = 0;
        if (!due(system ? system->code() : 0, &unsaid)) return;
        std::string line = cat("the cache fails, clients are served past it: ", what, ": ",
                               cause.what());
        if (unsaid > 0) line += cat(" (", unsaid, " more of this kind since the last line)");
        log_->error(line);
    } catch (const std::exception&) {
        return;  // without memory for a line: it is counted
    }
}

bool StoreTrouble::due(int code, std::uint64_t* unsaid) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const TimePoint present = now();
    const auto [place, isNew] = kinds_.try_emplace(code);
    Kind& kind = place->second;
    if (!isNew && present < kind.logged + pause_) {
        ++kind.since;
        return false;
    }
    *unsaid = kind.since;
    kind = Kind{present, 0};
    return true;
}

}  // namespace ociproxy
