// Targets of the fuzzer: functions that look at one input, any bytes, and demand of the
// product what must hold for it. One source file each, fuzz_NAME.cc; linked with
// engine.cc they are libFuzzer programs ("make fuzz"), with replay_test.cc they are unit
// tests over the inputs in corpus/NAME.
#ifndef OCIPROXY_TESTS_FUZZ_TARGETS_H
#define OCIPROXY_TESTS_FUZZ_TARGETS_H

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ociproxy::fuzz {

// Something did not hold. Not derived from what the product throws.
class Broken : public std::logic_error {
public:
    using std::logic_error::logic_error;
};
[[noreturn]] void broken(const char* condition, const char* file, int line);

// Demands a condition, whose text and place are the message.
#define FUZZ_CHECK(condition) \
    ((condition) ? (void)0 : ::ociproxy::fuzz::broken(#condition, __FILE__, __LINE__))

using Check = void (*)(std::string_view input);
struct NamedTarget {
    std::string name;
    Check run;
};
// All targets of this program, by name.
std::vector<NamedTarget> targets();
bool addTarget(const char* name, Check run);

// Runs a target on a copy of its own, so that AddressSanitizer sees every byte that is
// read beyond it.
void runOnCopy(Check run, std::string_view input);

// How inputs are divided. Both cut something off the front of `*rest`: a line without
// its line feed (all of it if there is none), and a byte (0 if there is none).
std::string_view takeLine(std::string_view* rest);
unsigned takeByte(std::string_view* rest);

// Whether every byte may stand in a field value that we pass on or send.
bool isFieldText(std::string_view text);

}  // namespace ociproxy::fuzz

// FUZZ_TARGET(name) { ... input ... }: defines and registers a target.
#define FUZZ_TARGET(name)                                                               \
    static void fuzz_##name(std::string_view input);                                    \
    [[maybe_unused]] static const bool added_##name =                                   \
        ::ociproxy::fuzz::addTarget(#name, fuzz_##name);                                \
    static void fuzz_##name(std::string_view input)

#endif
