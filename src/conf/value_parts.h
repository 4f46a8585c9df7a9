// What the setters and printers of parameters share.
#ifndef OCIPROXY_SRC_CONF_VALUE_PARTS_H
#define OCIPROXY_SRC_CONF_VALUE_PARTS_H

#include <cstdint>
#include <string>
#include <vector>

#include "ociproxy/base/address.h"

namespace ociproxy {

using Lines = std::vector<std::string>;

constexpr std::uint64_t kLongestWait = 24ull * 3600 * 1000;  // milliseconds

// Throws std::invalid_argument, which says what a valid value looks like.
[[noreturn]] void bad(const std::string& wanted);

// Words and networks, at least one. They throw as bad().
std::vector<std::string> list(const std::string& value);
std::vector<Network> networks(const std::string& value);

// All on one line; no line for none.
Lines joined(const std::vector<std::string>& parts);
Lines joined(const std::vector<Network>& parts);

}  // namespace ociproxy

#endif
