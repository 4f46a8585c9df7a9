#include "integration/metrics_page.h"

#include <cstdlib>

#include <cppunit/TestAssert.h>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

std::uint16_t adminPort(const ProxyProcess& proxy) {
    const std::string mark = "admin pages on 127.0.0.1:";
    const std::string log = proxy.log();
    const std::size_t at = log.rfind(mark);
    CPPUNIT_ASSERT_MESSAGE("no admin pages in the log:\n" + log, at != std::string::npos);
    return static_cast<std::uint16_t>(std::atoi(log.c_str() + at + mark.size()));
}

ExpositionPage scrape(const ProxyProcess& proxy) {
    const Response response = fetch(adminPort(proxy), "/metrics");
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 200);
    CPPUNIT_ASSERT_EQUAL(std::string("text/plain; version=0.0.4; charset=utf-8"),
                         response.header("Content-Type"));
    return readExposition(response.body);
}

Growth counterGrowth(const ExpositionPage& before, const ExpositionPage& after) {
    Growth growth;
    for (const auto& [series, value] : after.values) {
        if (!after.isCounter(series)) continue;
        const auto earlier = before.values.find(series);
        const double was = earlier == before.values.end() ? 0 : earlier->second;
        CPPUNIT_ASSERT_MESSAGE(series + " went back", value >= was);
        if (value > was) growth[series] = value - was;
    }
    for (const auto& [series, value] : before.values) {
        CPPUNIT_ASSERT_MESSAGE(series + " is gone", after.values.count(series) == 1);
    }
    return growth;
}

std::string describe(const Growth& growth) {
    std::string text;
    for (const auto& [series, by] : growth) {
        text += cat(series, " +", static_cast<long long>(by), "\n");
    }
    return text;
}

Response Tally::request(const std::string& result, const Response& response) {
    add("ociproxy_connections_accepted_total");
    return further(result, response);
}

Response Tally::further(const std::string& result, const Response& response) {
    add("ociproxy_requests_received_total");
    reply(result, response);
    return response;
}

void Tally::reply(const std::string& result, const Response& response) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete());
    add(cat("ociproxy_requests_total{result=\"", result, "\"}"));
    if (response.bodySize == 0) return;
    const double bytes = static_cast<double>(response.bodySize);
    add("ociproxy_client_sent_bytes_total", bytes);
    if (result == "hit" || result == "follow") add("ociproxy_saved_bytes_total", bytes);
}

void Tally::upstream(const std::string& code, double by) {
    add(cat("ociproxy_upstream_requests_total{upstream=\"up.test\",code=\"", code, "\"}"), by);
}

void Tally::failed(const std::string& cause) {
    add(cat("ociproxy_fills_failed_total{cause=\"", cause, "\"}"));
}

void Tally::awaitExactly(const ProxyProcess& proxy, const ExpositionPage& before) const {
    // What is counted at the end of something may be counted a moment after a client saw it.
    eventually([&] { return counterGrowth(before, scrape(proxy)) == expected_; });
    const ExpositionPage after = scrape(proxy);
    CPPUNIT_ASSERT_EQUAL(describe(expected_), describe(counterGrowth(before, after)));
}

}  // namespace ociproxy::itest
