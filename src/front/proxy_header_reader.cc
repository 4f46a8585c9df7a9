#include "front/proxy_header_reader.h"

#include <array>
#include <cerrno>
#include <string_view>
#include <sys/socket.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

ProxyHeaderReader::Status ProxyHeaderReader::read(int socket) {
    std::array<char, ProxyHeaderParser::kLongestHeader> bytes;
    const std::size_t before = header_.size();
    OCIPROXY_ASSERT(before < bytes.size());
    const ssize_t seen = ::recv(socket, bytes.data(), bytes.size() - before, MSG_PEEK);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return Status::kIncomplete;
    if (seen <= 0) return Status::kGone;
    header_.append(bytes.data(), static_cast<std::size_t>(seen));
    const ProxyHeaderParser::Status status = parser_.advance(header_);
    if (status == ProxyHeaderParser::Status::kRefused) return Status::kRefused;
    const bool complete = status == ProxyHeaderParser::Status::kComplete;
    const std::size_t ours = (complete ? parser_.consumed() : header_.size()) - before;
    if (::recv(socket, bytes.data(), ours, 0) != static_cast<ssize_t>(ours)) return Status::kGone;
    return complete ? Status::kComplete : Status::kIncomplete;
}

}  // namespace ociproxy
