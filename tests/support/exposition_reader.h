#ifndef OCIPROXY_TESTS_SUPPORT_EXPOSITION_READER_H
#define OCIPROXY_TESTS_SUPPORT_EXPOSITION_READER_H

#include <map>
#include <string>

namespace ociproxy {

// One page of Prometheus' text format 0.0.4. A plain value.
struct ExpositionPage {
    std::map<std::string, std::string> types;  // by family
    std::map<std::string, double> values;      // by series: name{label="value",...}, as written

    // The value of a series; throws std::runtime_error when there is none.
    double at(const std::string& series) const;
    // The family of a series.
    std::string familyOf(const std::string& series) const;
    bool isCounter(const std::string& series) const {
        return types.at(familyOf(series)) == "counter";
    }
};

// Reads a page strictly: HELP and TYPE before the samples of a family, which are not
// scattered; nothing twice; counters end in _total and nothing else does; the buckets of a
// histogram rise in bound and count and end with +Inf and its count. Throws
// std::runtime_error that names the line.
ExpositionPage readExposition(const std::string& text);

}  // namespace ociproxy

#endif
