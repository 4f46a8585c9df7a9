#include "integration/fake_server.h"

#include <cerrno>
#include <optional>

#include <sys/socket.h>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

std::optional<Received> parseRequest(const std::string& text) {
    std::optional<Head> head = parseHead(text);
    if (!head) return std::nullopt;
    const std::vector<std::string_view> parts = split(head->firstLine, ' ');
    if (parts.size() != 3 || parts[2] != "HTTP/1.1") return std::nullopt;
    Received request;
    request.method = parts[0];
    request.target = parts[1];
    const std::size_t mark = request.target.find('?');
    request.path = request.target.substr(0, mark);
    if (mark != std::string::npos) request.query = request.target.substr(mark + 1);
    request.fields = std::move(head->fields);
    return request;
}

}  // namespace

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) { start(); }

FakeServer::~FakeServer() { stop(); }

void FakeServer::start() {
    listener_ = listenLoopback(port_);
    port_ = portOf(listener_.get());
    acceptor_ = std::thread([this] { accept(); });
}

void FakeServer::stop() {
    if (!acceptor_.joinable()) return;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    listener_.reset();
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (Connection& connection : connections_) {
            if (!connection.done) connection.wire.shutDown();
        }
    }
    for (Connection& connection : connections_) connection.thread.join();
    connections_.clear();
}

std::uint64_t FakeServer::connections() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return accepted_;
}

void FakeServer::accept() {
    for (;;) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket) {
            add(std::move(socket));
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

void FakeServer::add(Fd socket) {
    const std::lock_guard<std::mutex> lock(mutex_);
    reapDone();
    connections_.emplace_back(Wire(std::move(socket)));
    Connection& connection = connections_.back();
    connection.number = ++accepted_;
    connection.thread = std::thread([this, &connection] { serve(&connection); });
}

void FakeServer::reapDone() {
    for (std::list<Connection>::iterator it = connections_.begin(); it != connections_.end();) {
        if (it->done) {
            it->thread.join();
            it = connections_.erase(it);
        } else {
            ++it;
        }
    }
}

void FakeServer::serve(Connection* connection) {
    serveRequests(connection);
    const std::lock_guard<std::mutex> lock(mutex_);
    connection->wire.finish();
    connection->done = true;
}

void FakeServer::serveRequests(Connection* connection) {
    for (;;) {
        ReadResult last = ReadResult::kData;
        const std::optional<std::string> text =
            connection->wire.takeHead(Deadline(std::chrono::minutes(30)), &last);
        if (!text) return;
        std::optional<Received> request = parseRequest(*text);
        if (!request) return;
        request->connection = connection->number;
        if (!handler_(*request, connection->wire)) return;
    }
}

}  // namespace ociproxy::itest
