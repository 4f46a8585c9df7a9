#ifndef OCIPROXY_SRC_PROXY_FILL_COUNT_H
#define OCIPROXY_SRC_PROXY_FILL_COUNT_H

#include "ociproxy/shm/claim_table.h"

namespace ociproxy {

class Counters;

// Counts one fill: it runs for as long as this lives and has at most one end. A fill that
// was given up to be begun anew, or that another worker has taken over, has none here.
class FillCount {
public:
    // `takenOver`: goes on with what a dead worker left.
    FillCount(Counters* counters, bool takenOver) noexcept;
    ~FillCount();
    FillCount(const FillCount&) = delete;
    FillCount& operator=(const FillCount&) = delete;

    void committed() noexcept;
    void failed(const ClaimFailure& failure) noexcept;

private:
    Counters* counters_;
    bool ended_ = false;
};

}  // namespace ociproxy

#endif
