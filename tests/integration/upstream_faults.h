#ifndef OCIPROXY_TESTS_INTEGRATION_UPSTREAM_FAULTS_H
#define OCIPROXY_TESTS_INTEGRATION_UPSTREAM_FAULTS_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "integration/fake_server.h"

namespace ociproxy::itest {

// What an upstream has under one path. A plain value.
struct Resource {
    std::string bytes;
    std::string type;
    std::string digest;
};

// One way in which an upstream goes wrong.
struct UpstreamFault {
    std::string name;
    // Answers the request; false: close. `round` counts the GETs of this resource from 0.
    std::function<bool(const Received&, const Resource&, unsigned round, Wire*)> answer;
    // Clients must get the right bytes of a blob all the same.
    bool harmless = false;
    // It shows only once a deadline is over: for those who have the time.
    bool slow = false;
};

// The honest answer: HEAD, GET, and GET of one range.
bool answerHonestly(const Received& request, const Resource& resource, Wire* wire);

// U1 to U12 and U17 to U24 of the catalogue of faults, some in several variants.
const std::vector<UpstreamFault>& upstreamFaults();

}  // namespace ociproxy::itest

#endif
