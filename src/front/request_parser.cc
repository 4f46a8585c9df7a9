#include "front/request_parser.h"

#include <algorithm>
#include <vector>

#include "front/request_target.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMaxMethod = 64;

Method methodOf(std::string_view text) {
    if (text == "GET") return Method::kGet;
    return text == "HEAD" ? Method::kHead : Method::kOther;
}

bool isDigit(char c) noexcept { return c >= '0' && c <= '9'; }

// "HTTP/" DIGIT "." DIGIT, case-sensitive (RFC 9112 2.3).
bool isVersion(std::string_view text) noexcept {
    return text.size() == 8 && startsWith(text, "HTTP/") && isDigit(text[5]) && text[6] == '.' &&
           isDigit(text[7]);
}

// Bytes that no rule is about, wherever they stand but at the beginning of a line.
bool isPlain(char c) noexcept { return c > ' ' && c < 0x7f; }

}  // namespace

RequestParser::Status RequestParser::advance(std::string_view input) {
    OCIPROXY_ASSERT(!refused_ && stage_ != Stage::kDone);
    while (stage_ != Stage::kDone) {
        const std::optional<std::size_t> end = findLineEnd(input);
        if (refused_) return Status::kRefused;
        if (!end) return Status::kIncomplete;
        const std::string_view line = input.substr(lineStart_, *end - lineStart_);
        lineStart_ = scanned_ = *end + 2;
        if (!takeLine(line)) return Status::kRefused;
    }
    return Status::kComplete;
}

RequestParser::Status RequestParser::refuse(int status, std::string_view message) {
    refused_ = true;
    refusal_ = HeadRefusal{status, message};
    return Status::kRefused;
}

// The position up to which no limit is reached.
std::size_t RequestParser::roomInLine() const noexcept {
    const std::size_t head = headStart_ + limits_.head;
    if (stage_ != Stage::kRequestLine) return head;
    return std::min(head, lineStart_ + limits_.requestLine);
}

// The position of the CR that ends the line, or nullopt when it is not there yet.
std::optional<std::size_t> RequestParser::findLineEnd(std::string_view input) {
    const std::size_t room = roomInLine();
    for (std::size_t i = scanned_; i < input.size(); ++i) {
        const char c = input[i];
        if (isPlain(c) && i < room) continue;
        scanned_ = i;
        if (c == '\r') {
            if (i + 1 == input.size()) return std::nullopt;
            if (input[i + 1] == '\n') {
                if (i + 2 - headStart_ <= limits_.head) return i;
                refuse(431, "request head too large");
                return std::nullopt;
            }
        }
        if (!checkByte(i, c)) return std::nullopt;
    }
    scanned_ = input.size();
    return std::nullopt;
}

// Checks one byte that is not part of a line end.
bool RequestParser::checkByte(std::size_t position, char c) {
    const unsigned char byte = static_cast<unsigned char>(c);
    const bool inRequestLine = stage_ == Stage::kRequestLine;
    if (c == '\r') refuse(400, "bare carriage return");
    if (c == '\n') refuse(400, "line feed without carriage return");
    if (refused_) return false;
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) refuse(400, "control byte in the head");
    if (inRequestLine && (byte >= 0x80 || c == '\t')) refuse(400, "malformed request line");
    if (position == lineStart_ && (c == ' ' || c == '\t')) {
        refuse(400, inRequestLine ? "white space before the request line" : "folded field line");
    }
    if (refused_) return false;
    if (inRequestLine && position - lineStart_ >= limits_.requestLine) {
        refuse(414, "request line too long");
    } else if (position + 1 - headStart_ > limits_.head) {
        refuse(431, "request head too large");
    }
    return !refused_;
}

bool RequestParser::takeLine(std::string_view line) {
    if (stage_ == Stage::kFields) return line.empty() ? finish() : takeField(line);
    if (!line.empty()) return takeRequestLine(line);
    if (skippedEmptyLine_) refuse(400, "empty lines before the request line");
    skippedEmptyLine_ = true;
    headStart_ = lineStart_;
    return !refused_;
}

bool RequestParser::takeRequestLine(std::string_view line) {
    const std::vector<std::string_view> parts = split(line, ' ');
    if (parts.size() != 3 || !isToken(parts[0])) {
        refuse(400, "malformed request line");
        return false;
    }
    request_.method = methodOf(parts[0]);
    if (!takeVersion(parts[2], parts[0])) return false;
    if (parts[0].size() > kMaxMethod) {
        refuse(501, "unknown method");
        return false;
    }
    std::optional<RequestTarget> target = parseTarget(parts[0], parts[1]);
    if (!target) {
        refuse(400, "malformed request target");
        return false;
    }
    request_.methodText = std::string(parts[0]);
    request_.target = std::move(target->target);
    authority_ = std::move(target->authority);
    stage_ = Stage::kFields;
    return true;
}

bool RequestParser::takeVersion(std::string_view version, std::string_view method) {
    if (!isVersion(version)) {
        refuse(400, "malformed HTTP version");
    } else if (method == "PRI" && version == "HTTP/2.0") {
        refuse(400, "HTTP/2 without negotiation");
    } else if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        refuse(505, "HTTP version not supported");
    } else {
        request_.minorVersion = version.back() - '0';
    }
    return !refused_;
}

bool RequestParser::takeField(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !isToken(line.substr(0, colon))) {
        refuse(400, "malformed field line");
        return false;
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (request_.headers.fields().size() >= limits_.fields) {
        refuse(431, "too many header fields");
    } else if (equalsIgnoreCase(name, "Range") && value.size() > limits_.rangeField) {
        refuse(431, "Range field too long");
    } else {
        request_.headers.add(name, value);
    }
    return !refused_;
}

bool RequestParser::finish() {
    if (const std::optional<HeadRefusal> refusal = checkRequest(&request_, authority_)) {
        refuse(refusal->status, refusal->message);
        return false;
    }
    stage_ = Stage::kDone;
    return true;
}

}  // namespace ociproxy
