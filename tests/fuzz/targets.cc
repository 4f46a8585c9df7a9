#include "fuzz/targets.h"

#include <algorithm>
#include <memory>

#include "ociproxy/base/text.h"

namespace ociproxy::fuzz {

namespace {

// Not a plain global: targets register before main(), in no particular order.
std::vector<NamedTarget>& registered() {
    static std::vector<NamedTarget> all;
    return all;
}

}  // namespace

void broken(const char* condition, const char* file, int line) {
    throw Broken(cat(file, ":", line, ": does not hold: ", condition));
}

std::vector<NamedTarget> targets() {
    std::vector<NamedTarget> all = registered();
    std::sort(all.begin(), all.end(),
              [](const NamedTarget& a, const NamedTarget& b) { return a.name < b.name; });
    return all;
}

bool addTarget(const char* name, Check run) {
    registered().push_back({name, run});
    return true;
}

void runOnCopy(Check run, std::string_view input) {
    const std::unique_ptr<char[]> copy(new char[input.size()]);
    std::copy(input.begin(), input.end(), copy.get());
    run(std::string_view(copy.get(), input.size()));
}

std::string_view takeLine(std::string_view* rest) {
    const std::size_t end = std::min(rest->find('\n'), rest->size());
    const std::string_view line = rest->substr(0, end);
    rest->remove_prefix(std::min(end + 1, rest->size()));
    return line;
}

unsigned takeByte(std::string_view* rest) {
    if (rest->empty()) return 0;
    const unsigned byte = static_cast<unsigned char>(rest->front());
    rest->remove_prefix(1);
    return byte;
}

bool isFieldText(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const unsigned char byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

}  // namespace ociproxy::fuzz
