#include "support/front_fixture.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <cppunit/TestAssert.h>
#include <openssl/err.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

Fd listenOn(int family, const sockaddr* address, socklen_t size) {
    Fd listener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener || ::bind(listener.get(), address, size) != 0 ||
        ::listen(listener.get(), 4096) != 0) {
        throwErrno("listen in a test");
    }
    return listener;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

sockaddr_un unixAddress(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

template <class Address>
Fd connectTo(const Address& address, int receiveBuffer) {
    const sockaddr* const plain = reinterpret_cast<const sockaddr*>(&address);
    Fd socket(::socket(plain->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receiveBuffer > 0) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
    }
    timeval patience{};
    patience.tv_sec = kFrontPatience.count() / 1000;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), plain, sizeof address) != 0) throwErrno("connect in a test");
    return socket;
}

}  // namespace

// --- ScriptedApplication

void ScriptedApplication::setHandler(Handler handler) {
    const std::lock_guard<std::mutex> lock(mutex_);
    handler_ = std::move(handler);
}

void ScriptedApplication::handle(std::shared_ptr<Exchange> exchange) noexcept {
    const std::string line = exchange->request().methodText + " " + exchange->request().target;
    Handler handler;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        handled_.push_back(line);
        handler = handler_;
    }
    changed_.notify_all();
    if (handler) {
        handler(std::move(exchange));
    } else {
        exchange->reply(bytesReply(line));
    }
}

Reply ScriptedApplication::errorReply(int status, std::string_view message) noexcept {
    Reply reply = bytesReply(cat(status, ' ', message, '\n'), status);
    reply.headers.add("Content-Type", "text/plain");
    return reply;
}

void ScriptedApplication::finished(const Finished& finished) noexcept {
    FinishedCopy copy;
    copy.hasRequest = finished.request != nullptr;
    if (finished.request) copy.target = finished.request->target;
    copy.peer = std::string(finished.peer);
    copy.status = finished.status;
    copy.bodyBytes = finished.bodyBytes;
    copy.complete = finished.complete;
    copy.cacheResult = std::string(finished.cacheResult);
    copy.upstreamStatus = finished.upstreamStatus;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        finished_.push_back(copy);
    }
    changed_.notify_all();
}

void ScriptedApplication::waitHandled(std::size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool seen = changed_.wait_until(lock, std::chrono::system_clock::now() + kFrontPatience,
                                          [&] { return handled_.size() >= count; });
    CPPUNIT_ASSERT_MESSAGE("requests never came", seen);
}

std::vector<FinishedCopy> ScriptedApplication::waitFinished(std::size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool seen = changed_.wait_until(lock, std::chrono::system_clock::now() + kFrontPatience,
                                          [&] { return finished_.size() >= count; });
    CPPUNIT_ASSERT_MESSAGE("requests never finished", seen);
    return finished_;
}

std::vector<std::string> ScriptedApplication::handled() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return handled_;
}

// --- replies and files

Reply bytesReply(std::string bytes, int status) {
    Reply reply;
    reply.status = status;
    reply.body = BytesBody{std::move(bytes)};
    return reply;
}

std::string patternBytes(std::size_t size) {
    std::string out(size, '\0');
    std::uint64_t state = 88172645463325252ULL;
    for (char& c : out) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        c = static_cast<char>(state >> 24);
    }
    return out;
}

std::shared_ptr<const Fd> memoryFile(std::string_view content) {
    Fd file(::memfd_create("front test", MFD_CLOEXEC));
    if (!file) throwErrno("memfd_create");
    pwriteAll(file.get(), content.data(), content.size(), 0, "memory file");
    return std::make_shared<const Fd>(std::move(file));
}

Reply fileReply(std::shared_ptr<const Fd> file, std::uint64_t offset, std::uint64_t size) {
    Reply reply;
    FileBody body;
    body.file = std::move(file);
    body.slices.push_back(FileSlice{offset, size});
    reply.body = std::move(body);
    return reply;
}

// --- TestBody

TestBody::TestBody(std::optional<std::uint64_t> length) : file_(memoryFile("")) {
    snapshot_.length = length;
}

TestBody::~TestBody() { OCIPROXY_ASSERT(!wake_); }

GrowingBody::Snapshot TestBody::now() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return snapshot_;
}

// Wakes run under the same lock: when this returns none is running.
void TestBody::setWake(std::function<void()> wake) {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_ = std::move(wake);
    if (!wake_) unwatched_.notify_all();
}

void TestBody::change(const std::function<void()>& step) {
    const std::lock_guard<std::mutex> lock(mutex_);
    step();
    if (wake_) wake_();
}

void TestBody::append(std::string_view bytes) {
    change([&] {
        pwriteAll(file_->get(), bytes.data(), bytes.size(), written_, "growing body");
        written_ += bytes.size();
        snapshot_.readable = written_;
    });
}

void TestBody::announce(std::uint64_t length) {
    change([&] { snapshot_.length = length; });
}

void TestBody::promise(std::uint64_t readable) {
    change([&] { snapshot_.readable = readable; });
}

void TestBody::complete() {
    change([&] { snapshot_.state = State::kComplete; });
}

void TestBody::fail() {
    change([&] { snapshot_.state = State::kBroken; });
}

bool TestBody::hasWake() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<bool>(wake_);
}

void TestBody::waitUnwatched() {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool seen = unwatched_.wait_until(
        lock, std::chrono::system_clock::now() + kFrontPatience, [&] { return !wake_; });
    CPPUNIT_ASSERT_MESSAGE("still watched", seen);
}

// --- TestCrowd

class TestCrowd::Member : public GrowingBody {
public:
    explicit Member(std::shared_ptr<TestBody> shared) : shared_(std::move(shared)) {}

    int descriptor() const noexcept override { return shared_->descriptor(); }
    Snapshot now() noexcept override { return shared_->now(); }
    void setWake(std::function<void()> wake) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        wake_ = std::move(wake);
    }
    void wake() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (wake_) wake_();
    }

private:
    std::shared_ptr<TestBody> shared_;
    std::mutex mutex_;
    std::function<void()> wake_;
};

std::shared_ptr<GrowingBody> TestCrowd::join() {
    const std::shared_ptr<Member> member = std::make_shared<Member>(shared_);
    const std::lock_guard<std::mutex> lock(mutex_);
    members_.push_back(member);
    return member;
}

void TestCrowd::wakeAll() {
    std::vector<std::weak_ptr<Member>> members;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        members = members_;
    }
    for (const std::weak_ptr<Member>& weak : members) {
        if (const std::shared_ptr<Member> member = weak.lock()) member->wake();
    }
}

// --- FrontClient

std::string ClientReply::field(std::string_view name) const {
    const std::string* const value = headers.find(name);
    return value ? *value : "(none)";
}

FrontClient::FrontClient(Fd socket) : socket_(std::move(socket)), ssl_(nullptr, &SSL_free) {}

bool FrontClient::startTls(SSL_CTX* context, SSL_SESSION* resume) {
    ssl_.reset(SSL_new(context));
    CPPUNIT_ASSERT(ssl_ && SSL_set_fd(ssl_.get(), socket_.get()) == 1);
    if (resume) CPPUNIT_ASSERT_EQUAL(1, SSL_set_session(ssl_.get(), resume));
    ERR_clear_error();
    if (SSL_connect(ssl_.get()) == 1) return true;
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    tlsError_ = reason ? reason : "";
    return false;
}

// As recv(); an end without close_notify is a reset, which end_ tells from a real one.
ssize_t FrontClient::receiveTls(char* bytes, int size) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), bytes, size);
    if (got > 0) return got;
    const int error = SSL_get_error(ssl_.get(), got);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error == SSL_ERROR_SSL) {
        const unsigned long code = ERR_peek_error();
        const char* const reason = ERR_reason_error_string(code);
        tlsError_ = reason ? reason : "";
        const bool eof = ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
        end_ = eof ? End::kTruncated : End::kAlert;
        errno = ECONNRESET;
    }
    return -1;
}

bool FrontClient::trySend(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent =
            ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                 : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void FrontClient::send(std::string_view bytes) { CPPUNIT_ASSERT(trySend(bytes)); }

void FrontClient::shutdownSend() {
    if (ssl_) SSL_shutdown(ssl_.get());
    ::shutdown(socket_.get(), SHUT_WR);
}

void FrontClient::reset() {
    const linger now{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.reset();
}

bool FrontClient::more() {
    char bytes[65536];
    const ssize_t got = ssl_ ? receiveTls(bytes, sizeof bytes)
                             : ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (got > 0) {
        buffer_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    CPPUNIT_ASSERT_MESSAGE("nothing came", got == 0 || errno == ECONNRESET || errno == EPIPE);
    if (end_ == End::kNone) end_ = got == 0 ? End::kClosed : End::kReset;
    return false;
}

std::string FrontClient::readBytes(std::size_t size) {
    while (buffer_.size() < size && more()) {
    }
    const std::string out = buffer_.substr(0, size);
    buffer_.erase(0, out.size());
    return out;
}

std::string FrontClient::readToEnd() {
    while (more()) {
    }
    return std::move(buffer_);
}

FrontClient::End FrontClient::waitEnd() {
    CPPUNIT_ASSERT_EQUAL(std::string(), readToEnd());
    return end_;
}

ClientReply FrontClient::readHead() {
    ClientReply reply;
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
        if (!more()) return reply;
    }
    reply.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 "), reply.head.substr(0, 9));
    reply.status = std::atoi(reply.head.substr(9, 3).c_str());
    std::size_t line = reply.head.find("\r\n") + 2;
    while (line + 2 < reply.head.size()) {
        const std::size_t stop = reply.head.find("\r\n", line);
        const std::size_t colon = reply.head.find(": ", line);
        CPPUNIT_ASSERT(colon < stop);
        reply.headers.add(reply.head.substr(line, colon - line),
                          reply.head.substr(colon + 2, stop - colon - 2));
        line = stop + 2;
    }
    return reply;
}

ClientReply FrontClient::read(bool head) {
    ClientReply reply = readHead();
    readRest(&reply, head);
    return reply;
}

void FrontClient::readRest(ClientReply* reply, bool head) {
    if (reply->status != 0) reply->whole = readBody(reply, head);
}

bool FrontClient::readBody(ClientReply* reply, bool head) {
    if (head || reply->status == 204 || reply->status == 304) return true;
    if (reply->headers.has("Transfer-Encoding")) return readChunks(&reply->body);
    const std::string* const length = reply->headers.find("Content-Length");
    CPPUNIT_ASSERT_MESSAGE("reply without an end: " + reply->head, length);
    const std::size_t size = static_cast<std::size_t>(parseUnsigned(*length).value());
    reply->body = readBytes(size);
    return reply->body.size() == size;
}

std::string FrontClient::takeLine() {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!more()) return "";
    }
    return readBytes(end + 2).substr(0, end);
}

bool FrontClient::readChunks(std::string* body) {
    for (;;) {
        const std::string line = takeLine();
        if (line.empty()) return false;
        const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
        body->append(readBytes(size));
        if (readBytes(2) != "\r\n") return false;
        if (size == 0) return true;
    }
}

// --- FrontFixture

bool FrontFixture::overTls = false;

FrontFixture::FrontFixture() {
    char name[] = "/tmp/ociproxy-front-XXXXXX";
    if (!::mkdtemp(name)) throwErrno("mkdtemp");
    directory_ = name;
    const sockaddr_in any = loopback(0);
    listener_ = listenOn(AF_INET, reinterpret_cast<const sockaddr*>(&any), sizeof any);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size);
    port_ = ntohs(bound.sin_port);
    const sockaddr_un local = unixAddress(directory_ + "/socket");
    unixListener_ = listenOn(AF_UNIX, reinterpret_cast<const sockaddr*>(&local), sizeof local);
    options.listeners = {listener_.get(), unixListener_.get()};
    options.handlers = 2;
    options.senders = 1;
    if (!overTls) return;
    authority_ = std::make_unique<TestAuthority>();
    clientContext_ = authority_->client();
    speakTls(tlsOptions(*authority_));
}

TlsServer::Options FrontFixture::tlsOptions(const TestAuthority& authority) {
    const TestAuthority::Identity own = authority.issueServer("IP:127.0.0.1");
    TlsServer::Options out;
    out.certificate = {"certificate", own.certificate};
    out.key = {"key", own.key};
    return out;
}

void FrontFixture::speakTls(const TlsServer::Options& with) {
    tls_ = std::make_unique<TlsServer>(with);
    options.tls = tls_.get();
    options.listeners[0].tls = true;
}

FrontFixture::~FrontFixture() {
    server_.reset();
    ::unlink((directory_ + "/socket").c_str());
    ::rmdir(directory_.c_str());
}

void FrontFixture::start() {
    server_ = std::make_unique<FrontServer>(options, &application);
    server_->start();
}

FrontClient FrontFixture::connectPlain(int receiveBuffer) {
    return FrontClient(connectTo(loopback(port_), receiveBuffer));
}

FrontClient FrontFixture::connect(int receiveBuffer) {
    FrontClient client = connectPlain(receiveBuffer);
    if (clientContext_) {
        const bool secure = client.startTls(clientContext_.get());
        CPPUNIT_ASSERT_MESSAGE("TLS: " + client.tlsError(), secure);
    }
    return client;
}

FrontClient FrontFixture::connectUnix() {
    return FrontClient(connectTo(unixAddress(directory_ + "/socket"), 0));
}

std::string FrontFixture::exchange(std::string_view request) {
    FrontClient client = connect();
    client.send(request);
    return client.readToEnd();
}

// Nothing announces it, so it is asked for.
void FrontFixture::waitIdle() {
    const TimePoint deadline = now() + kFrontPatience;
    while (!server_->idle()) {
        CPPUNIT_ASSERT_MESSAGE("connections stay", now() < deadline);
        std::this_thread::sleep_for(Millis(1));
    }
}

}  // namespace ociproxy
