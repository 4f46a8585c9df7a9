#ifndef OCIPROXY_TESTS_INTEGRATION_STOPPED_FILL_TEST_H
#define OCIPROXY_TESTS_INTEGRATION_STOPPED_FILL_TEST_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "integration/integration_test.h"

namespace ociproxy::itest {

// A large blob, and where its upstream stops.
constexpr std::size_t kLarge = 8 * kMiB;
constexpr std::uint64_t kStopAt = 3 * kMiB;
// How long nothing must happen for "nothing happens".
constexpr milliseconds kSilence{300};

// A fixture for tests that look at the proxy while a fill hangs: one blob in
// repository a of the fake registry, which stops in the middle of sending it.
class StoppedFillTest : public IntegrationTest {
protected:
    struct Stop {
        std::size_t size = kLarge;
        std::uint64_t at = kStopAt;
        int times = -1;                        // downloads that stop; -1: all
        std::optional<std::uint64_t> flipAt;   // and the byte that is wrong
    };
    void prepare(const Stop& stop);

    // The upstream is stopped and `count` requests are in the proxy's hands.
    void awaitRequests(std::size_t count);
    // Asks for the blob and reads the first `bytes` bytes of a 200.
    Response startFollowing(TestClient* client, std::uint64_t bytes);
    // A complete 206 of these bytes.
    void assertPart(const Response& response, std::uint64_t first, std::uint64_t last);

    std::string bytes_;
    std::string digest_;
    std::string target_;
    std::shared_ptr<Gate> gate_;
};

}  // namespace ociproxy::itest

#endif
