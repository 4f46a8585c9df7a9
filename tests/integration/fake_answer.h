#ifndef OCIPROXY_TESTS_INTEGRATION_FAKE_ANSWER_H
#define OCIPROXY_TESTS_INTEGRATION_FAKE_ANSWER_H

#include <cstdint>
#include <memory>
#include <string>

#include "integration/fake_registry.h"

namespace ociproxy::itest {

// One answer of the fake registry before a Behaviour spoils it on the wire. The body
// is a part of `bytes`, which is not copied. A plain value.
struct FakeAnswer {
    int status = 200;
    Fields fields;
    std::shared_ptr<const std::string> bytes;
    std::uint64_t first = 0;
    std::uint64_t size = 0;

    void setText(const std::string& text);
    // The whole content, or the part that `range` ("bytes=a-b", "bytes=a-") asks for.
    void setContent(std::shared_ptr<const std::string> content, const Behaviour& behaviour,
                    const std::string& range);
};

// False when the connection must be closed (it may already be).
bool sendAnswer(const FakeAnswer& answer, const Behaviour& behaviour, bool headOnly, Wire* wire);

}  // namespace ociproxy::itest

#endif
