// Reading at no more than a certain rate.
#ifndef OCIPROXY_STORE_THROTTLE_H
#define OCIPROXY_STORE_THROTTLE_H

#include <cstdint>
#include <functional>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// Holds its user up so that no more than `rate` bytes per second are spent; what was not
// spent is not saved up. Not synchronized.
class Throttle {
public:
    using Sleep = std::function<void(Millis)>;

    // `rate` 0: without limit. `sleep`: std::this_thread::sleep_for if empty.
    explicit Throttle(std::uint64_t rate, Sleep sleep = {});

    void spend(std::uint64_t bytes);

private:
    const std::uint64_t rate_;
    const Sleep sleep_;
    TimePoint free_{};  // when what was spent so far is paid for
};

}  // namespace ociproxy

#endif
