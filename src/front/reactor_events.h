// What the reactor has epoll tell of a connection.
#ifndef OCIPROXY_SRC_FRONT_REACTOR_EVENTS_H
#define OCIPROXY_SRC_FRONT_REACTOR_EVENTS_H

#include <cstdint>
#include <sys/epoll.h>

namespace ociproxy {

// Input stays watched while the reactor answers by itself, so that a hit costs no
// epoll_ctl. When it comes while somebody else has the connection, watching ends.
constexpr std::uint32_t kInput = EPOLLIN | EPOLLRDHUP;
constexpr std::uint32_t kRoom = EPOLLOUT | EPOLLONESHOT;
constexpr std::uint32_t kHangUp = EPOLLONESHOT;  // errors and resets are always told

}  // namespace ociproxy

#endif
