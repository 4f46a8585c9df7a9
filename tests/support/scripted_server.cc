#include "support/scripted_server.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cppunit/extensions/HelperMacros.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

std::optional<std::string> findField(const std::string& head, const std::string& name) {
    for (std::string_view line : split(head, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !equalsIgnoreCase(line.substr(0, colon), name)) {
            continue;
        }
        line.remove_suffix(endsWith(line, "\r") ? 1 : 0);
        return std::string(trim(line.substr(colon + 1)));
    }
    return std::nullopt;
}

ScriptedRequest parse(const std::string& head) {
    ScriptedRequest out;
    out.head = head;
    const std::vector<std::string_view> parts =
        split(std::string_view(head).substr(0, head.find("\r\n")), ' ');
    out.method = parts.empty() ? "" : std::string(parts[0]);
    out.target = parts.size() < 2 ? "" : std::string(parts[1]);
    return out;
}

}  // namespace

bool ScriptedRequest::has(const std::string& name) const {
    return findField(head, name).has_value();
}

std::string ScriptedRequest::field(const std::string& name) const {
    return findField(head, name).value_or("");
}

bool ScriptedPeer::startTls(SSL_CTX* context) {
    ssl_ = {SSL_new(context), &SSL_free};
    SSL_set_fd(ssl_.get(), fd_.get());
    return SSL_accept(ssl_.get()) == 1;
}

int ScriptedPeer::receive(char* out, int size) {
    if (ssl_) return SSL_read(ssl_.get(), out, size);
    return static_cast<int>(::recv(fd_.get(), out, static_cast<std::size_t>(size), 0));
}

bool ScriptedPeer::readRequest(ScriptedRequest* request) {
    std::size_t end = buffer_.find("\r\n\r\n");
    while (end == std::string::npos) {
        char bytes[4096];
        const int got = receive(bytes, sizeof bytes);
        if (got <= 0) return false;
        buffer_.append(bytes, static_cast<std::size_t>(got));
        end = buffer_.find("\r\n\r\n");
    }
    *request = parse(buffer_.substr(0, end + 4));
    buffer_.erase(0, end + 4);
    server_->record(*request);
    return true;
}

bool ScriptedPeer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent =
            ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                 : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool ScriptedPeer::sendRaw(std::string_view bytes) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

bool ScriptedPeer::waitForEnd(int milliseconds) {
    pollfd entry{fd_.get(), POLLIN, 0};
    char bytes[4096];
    while (::poll(&entry, 1, milliseconds) > 0) {
        if (::recv(fd_.get(), bytes, sizeof bytes, 0) <= 0) return true;
    }
    return false;
}

void ScriptedPeer::resetAtEnd() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

ScriptedServer::ScriptedServer(Script script, SSL_CTX* tls, const std::string& address)
    : script_(std::move(script)), tls_(tls),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    CPPUNIT_ASSERT_EQUAL(1, ::inet_pton(AF_INET, address.c_str(), &name.sin_addr));
    socklen_t size = sizeof name;
    sockaddr* const generic = reinterpret_cast<sockaddr*>(&name);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(listener_.get(), generic, size));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(listener_.get(), 64));
    CPPUNIT_ASSERT_EQUAL(0, ::getsockname(listener_.get(), generic, &size));
    port_ = ntohs(name.sin_port);
    acceptor_ = std::thread([this] { acceptLoop(); });
}

ScriptedServer::~ScriptedServer() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        for (ScriptedPeer& peer : peers_) {
            if (peer.fd_) ::shutdown(peer.fd_.get(), SHUT_RDWR);
        }
    }
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
}

void ScriptedServer::acceptLoop() {
    for (;;) {
        Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd && errno == EINTR) continue;
        std::lock_guard<std::mutex> lock(mutex_);
        if (!fd || stopping_) return;
        ScriptedPeer& peer = peers_.emplace_back();
        peer.server_ = this;
        peer.number_ = peers_.size() - 1;
        peer.fd_ = std::move(fd);
        threads_.emplace_back([this, &peer] { serve(&peer); });
    }
}

void ScriptedServer::serve(ScriptedPeer* peer) {
    if (tls_ == nullptr || peer->startTls(tls_)) script_(*peer);
    std::lock_guard<std::mutex> lock(mutex_);
    peer->ssl_.reset();
    peer->fd_.reset();
}

void ScriptedServer::record(const ScriptedRequest& request) {
    std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(request);
}

ScriptedServer::Script ScriptedServer::answering(Responder responder) {
    return [responder](ScriptedPeer& peer) {
        ScriptedRequest request;
        while (peer.readRequest(&request) && peer.send(responder(request))) {
        }
    };
}

ScriptedServer::Script ScriptedServer::saying(const std::string& bytes) {
    return answering([bytes](const ScriptedRequest&) { return bytes; });
}

std::size_t ScriptedServer::accepted() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return peers_.size();
}

std::vector<ScriptedRequest> ScriptedServer::requests() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
}

ScriptedRequest ScriptedServer::onlyRequest() const {
    const std::vector<ScriptedRequest> all = requests();
    CPPUNIT_ASSERT_EQUAL(std::size_t{1}, all.size());
    return all.front();
}

std::string plainAnswer(int status, const std::string& fields, const std::string& body) {
    return cat("HTTP/1.1 ", status, " Scripted\r\n", fields, "Content-Length: ", body.size(),
               "\r\n\r\n", body);
}

}  // namespace ociproxy
