#ifndef OCIPROXY_TESTS_INTEGRATION_MUTATOR_H
#define OCIPROXY_TESTS_INTEGRATION_MUTATOR_H

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace ociproxy::itest {

// Makes streams of bytes that were requests once: bits flipped, lines removed, repeated
// and exchanged, requests spliced, cut, blown up and put one behind the other. The same
// seed and requests give the same streams. One thread.
class Mutator {
public:
    // REQUIRES: there are requests.
    Mutator(std::uint64_t seed, std::vector<std::string> requests);

    std::string next();
    // A number below `end`, from the same source. REQUIRES: end > 0.
    std::size_t below(std::size_t end);

private:
    void mutate(std::string* text);
    void changeByte(std::string* text);
    void changeRange(std::string* text);
    void changeLines(std::string* text);
    void changeEnds(std::string* text);
    void blowUp(std::string* text);
    std::string& pickLine(std::vector<std::string>* lines);
    const std::string& pick();

    std::mt19937_64 random_;
    const std::vector<std::string> requests_;
};

}  // namespace ociproxy::itest

#endif
