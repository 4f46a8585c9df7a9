#ifndef OCIPROXY_SRC_PROXY_EXPOSITION_H
#define OCIPROXY_SRC_PROXY_EXPOSITION_H

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/shm/histogram.h"

namespace ociproxy {

// Writes Prometheus' text format 0.0.4: families one after the other, each with HELP and
// TYPE, then its samples in the order in which they are given.
// (https://prometheus.io/docs/instrumenting/exposition_formats/)
//
// Names and label names are the caller's constants and taken as they are; label values
// and help may hold anything. One thread.
class Exposition {
public:
    struct Label {
        std::string_view name;
        std::string_view value;
    };
    using Labels = std::initializer_list<Label>;

    static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

    // Begins a family; what follows are its samples.
    void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
    void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
    void histogram(std::string_view name, std::string_view help) {
        family(name, "histogram", help);
    }

    void sample(std::uint64_t value, Labels labels = {});
    // Times in seconds, buckets cumulated.
    void sample(const Histogram& value, Labels labels = {});

    std::string text() && { return std::move(text_); }

private:
    void family(std::string_view name, const char* type, std::string_view help);
    void line(std::string_view suffix, Labels labels, std::string_view bound,
              std::string_view value);

    std::string text_;
    std::string_view name_;  // of the family
};

}  // namespace ociproxy

#endif
