#ifndef OCIPROXY_TESTS_INTEGRATION_METRICS_PAGE_H
#define OCIPROXY_TESTS_INTEGRATION_METRICS_PAGE_H

#include <cstdint>
#include <map>
#include <string>

#include "integration/proxy_process.h"
#include "support/exposition_reader.h"

namespace ociproxy::itest {

// By how much series have grown; those that have not are left out.
using Growth = std::map<std::string, double>;

// The port of which the proxy's log says that admin pages are there; fails the running
// test when it does not say so.
std::uint16_t adminPort(const ProxyProcess& proxy);
// /metrics of that proxy, read strictly.
ExpositionPage scrape(const ProxyProcess& proxy);
// What the counters have grown by; fails the running test when one has gone back.
Growth counterGrowth(const ExpositionPage& before, const ExpositionPage& after);
// One line for each.
std::string describe(const Growth& growth);

// Adds up what the counters must show for requests that a test makes.
class Tally {
public:
    void add(const std::string& series, double by = 1) { expected_[series] += by; }
    // One client connection with one request that was understood and got this reply.
    Response request(const std::string& result, const Response& response);
    // The same on a connection that is there already.
    Response further(const std::string& result, const Response& response);
    // A request of the proxy that the upstream answered with 200 or so, or 404 or so.
    void upstream(const std::string& code, double by = 1);
    void fetched(std::size_t bytes) {
        add("ociproxy_upstream_fetched_bytes_total", static_cast<double>(bytes));
    }
    void committed(double by = 1) { add("ociproxy_fills_committed_total", by); }
    void failed(const std::string& cause);

    // Waits until the counters show exactly this since `before`, no more and no less.
    void awaitExactly(const ProxyProcess& proxy, const ExpositionPage& before) const;

private:
    void reply(const std::string& result, const Response& response);

    Growth expected_;
};

}  // namespace ociproxy::itest

#endif
