#include "integration/test_client.h"

#include <algorithm>
#include <cstdlib>


#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

// "HTTP/1.1 200 OK"; 0 when it is no status line.
int statusOf(const std::string& line) {
    if (!startsWith(line, "HTTP/1.1 ") || line.size() < 12) return 0;
    const int status = std::atoi(line.c_str() + 9);
    return status >= 100 && status <= 599 ? status : 0;
}

bool hasNoBody(int status) { return status == 204 || status == 304; }

Ending endingOf(ReadResult result) {
    switch (result) {
        case ReadResult::kReset: return Ending::kReset;
        case ReadResult::kTimeout: return Ending::kTimeout;
        default: return Ending::kShort;
    }
}

}  // namespace

const char* endingName(Ending ending) {
    switch (ending) {
        case Ending::kComplete: return "complete";
        case Ending::kShort: return "closed short";
        case Ending::kReset: return "reset";
        case Ending::kMalformed: return "malformed";
        case Ending::kTimeout: break;
    }
    return "timed out";
}

std::string Response::summary() const {
    return cat("status ", status, ", ", bodySize, " bytes, ", endingName(ending), ", Cache-Status ",
               header("Cache-Status"), "; ", body.substr(0, 200));
}

TestClient::TestClient(std::uint16_t port) : wire_(Wire::connectLoopback(port)), port_(port) {}

void TestClient::send(const std::string& method, const std::string& target,
                      const Fields& fields) {
    headRequest_ = method == "HEAD";
    std::string head = cat(method, " ", target, " HTTP/1.1\r\n");
    if (!fields.has("Host")) head += cat("Host: 127.0.0.1:", port_, "\r\n");
    wire_.send(cat(head, fields.text(), "\r\n"));
}

void TestClient::sendRaw(const std::string& bytes) {
    headRequest_ = false;
    wire_.send(bytes);
}

Response TestClient::get(const std::string& target, const Fields& fields) {
    send("GET", target, fields);
    return read();
}

Response TestClient::head(const std::string& target, const Fields& fields) {
    send("HEAD", target, fields);
    return read();
}

Response TestClient::read() {
    Response response = readHead();
    finish(&response);
    return response;
}

Response TestClient::readHead() {
    Response response;
    ended_ = false;
    hasher_ = std::make_unique<Hasher>(DigestAlgorithm::kSha256);
    const Deadline deadline;
    do {
        ReadResult last = ReadResult::kData;
        const std::optional<std::string> text = wire_.takeHead(deadline, &last);
        if (!text) {
            response.status = 0;
            end(endingOf(last), &response);
            return response;
        }
        const std::optional<Head> head = parseHead(*text);
        response.status = head ? statusOf(head->firstLine) : 0;
        if (head) response.fields = head->fields;
    } while (response.status >= 100 && response.status < 200);
    if (response.status == 0 || !chooseFraming(response)) end(Ending::kMalformed, &response);
    return response;
}

bool TestClient::chooseFraming(const Response& response) {
    const std::size_t lengths = response.fields.count("Content-Length");
    const bool chunked = equalsIgnoreCase(response.header("Transfer-Encoding"), "chunked");
    if (lengths > 1 || (lengths == 1 && chunked)) return false;
    left_ = 0;
    afterChunk_ = false;
    if (headRequest_ || hasNoBody(response.status)) {
        framing_ = Framing::kNone;
    } else if (chunked) {
        framing_ = Framing::kChunked;
    } else if (lengths == 1) {
        const std::optional<std::uint64_t> length =
            parseUnsigned(response.header("Content-Length"));
        if (!length) return false;
        left_ = *length;
        framing_ = Framing::kLength;
    } else {
        framing_ = Framing::kUntilClose;
    }
    return true;
}

void TestClient::readBody(Response* response, std::uint64_t size) {
    while (!ended_ && response->bodySize < size) {
        if (!readMore(response)) return;
    }
}

bool TestClient::readMore(Response* response) {
    switch (framing_) {
        case Framing::kNone: end(Ending::kComplete, response); return false;
        case Framing::kLength: return readCounted(response);
        case Framing::kChunked: return readChunked(response);
        case Framing::kUntilClose: break;
    }
    moveBody(wire_.buffer().size(), response);
    const ReadResult result = wire_.fill(Deadline());
    if (result == ReadResult::kData) return true;
    end(result == ReadResult::kEnd ? Ending::kComplete : endingOf(result), response);
    return false;
}

bool TestClient::readCounted(Response* response) {
    if (left_ > 0 && wire_.buffer().empty() && !fill(response)) return false;
    const std::uint64_t size = std::min<std::uint64_t>(left_, wire_.buffer().size());
    moveBody(size, response);
    left_ -= size;
    if (left_ == 0) end(Ending::kComplete, response);
    return left_ > 0;
}

bool TestClient::readChunked(Response* response) {
    if (left_ == 0) return nextChunk(response);
    if (wire_.buffer().empty() && !fill(response)) return false;
    const std::uint64_t size = std::min<std::uint64_t>(left_, wire_.buffer().size());
    moveBody(size, response);
    left_ -= size;
    return true;
}

bool TestClient::nextChunk(Response* response) {
    if (afterChunk_) {
        const std::optional<std::string> empty = takeLine(response);
        if (!empty) return false;
        if (!empty->empty()) {
            end(Ending::kMalformed, response);
            return false;
        }
    }
    const std::optional<std::string> line = takeLine(response);
    if (!line) return false;
    left_ = std::strtoull(line->c_str(), nullptr, 16);
    afterChunk_ = true;
    if (left_ > 0) return true;
    std::optional<std::string> trailer = takeLine(response);
    while (trailer && !trailer->empty()) trailer = takeLine(response);
    if (trailer) end(Ending::kComplete, response);
    return false;
}

std::optional<std::string> TestClient::takeLine(Response* response) {
    std::size_t lineEnd = wire_.buffer().find("\r\n");
    while (lineEnd == std::string::npos) {
        if (!fill(response)) return std::nullopt;
        lineEnd = wire_.buffer().find("\r\n");
    }
    std::string line = wire_.take(lineEnd + 2);
    line.resize(lineEnd);
    return line;
}

void TestClient::moveBody(std::uint64_t size, Response* response) {
    const std::string bytes = wire_.take(static_cast<std::size_t>(size));
    hasher_->update(bytes.data(), bytes.size());
    response->bodySize += bytes.size();
    if (keepBodies_) response->body += bytes;
}

bool TestClient::fill(Response* response) {
    const ReadResult result = wire_.fill(Deadline());
    if (result == ReadResult::kData) return true;
    end(endingOf(result), response);
    return false;
}

void TestClient::end(Ending ending, Response* response) {
    ended_ = true;
    response->ending = ending;
    response->digest = hasher_->finish().text();
}

bool TestClient::silentFor(milliseconds time) const {
    return wire_.buffer().empty() && !wire_.readable(time);
}

bool TestClient::closedByPeer() {
    if (!wire_.buffer().empty()) return false;
    const ReadResult result = wire_.fill(Deadline());
    return result == ReadResult::kEnd || result == ReadResult::kReset;
}

void TestClient::reset() {
    wire_.abort();
    wire_.finish();
}

Response fetch(std::uint16_t port, const std::string& target, const Fields& fields) {
    return TestClient(port).get(target, fields);
}

Response fetchFrom(const std::string& path, const std::string& target) {
    TestClient client(Wire::connectPath(path));
    return client.get(target);
}

Response fetchHead(std::uint16_t port, const std::string& target, const Fields& fields) {
    return TestClient(port).head(target, fields);
}

}  // namespace ociproxy::itest
