#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log_sink.h"

namespace ociproxy {

namespace {

constexpr int kFacilityDaemon = 3;

// What syslog(3) with LOG_PID puts before a message: daemons skip as many characters
// as its time has, hence local time and English names.
std::size_t printHead(char (&out)[80], int severity) noexcept {
    static const char* const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = std::time(nullptr);
    std::tm t{};
    ::localtime_r(&time, &t);
    const int length = std::snprintf(out, sizeof out, "<%d>%s %2d %02d:%02d:%02d ociproxy[%d]: ",
                                     kFacilityDaemon * 8 + severity, kMonths[t.tm_mon], t.tm_mday,
                                     t.tm_hour, t.tm_min, t.tm_sec, static_cast<int>(::getpid()));
    return static_cast<std::size_t>(length);
}

// The daemon restarted, or was never there.
bool isDisconnected(int code) noexcept {
    return code == EBADF || code == ECONNREFUSED || code == ECONNRESET || code == ENOTCONN ||
           code == EPIPE;
}

}  // namespace

SyslogSink::SyslogSink(const std::string& socketPath) : path_(socketPath) {
    ::tzset();
    connect();
}

std::size_t SyslogSink::longest() const noexcept {
    return PIPE_BUF;
}

int SyslogSink::connect() noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    Fd fresh(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fresh.valid()) return errno;
    const sockaddr* name = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(fresh.get(), name, sizeof address) != 0) return errno;
    socket_ = std::move(fresh);
    return 0;
}

LogSink::Outcome SyslogSink::write(std::string_view lines) noexcept {
    Outcome outcome;
    while (outcome.written < lines.size()) {
        const std::string_view rest = lines.substr(outcome.written);
        const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
        outcome.error = send(rest.substr(0, end));
        if (outcome.error != 0) break;
        outcome.written += end + 1;
    }
    return outcome;
}

int SyslogSink::send(std::string_view record) noexcept {
    int code = sendOnce(record);
    if (!isDisconnected(code)) return code;
    socket_.reset();
    code = connect();
    return code == 0 ? sendOnce(record) : code;
}

int SyslogSink::sendOnce(std::string_view record) noexcept {
    if (!socket_.valid()) return EBADF;
    char head[80];
    const std::size_t length = printHead(head, record.empty() ? 6 : record.front() - '0');
    if (!record.empty()) record.remove_prefix(1);
    iovec parts[2] = {{head, length}, {const_cast<char*>(record.data()), record.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t count;
    do {
        count = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? errno : 0;
}

}  // namespace ociproxy
