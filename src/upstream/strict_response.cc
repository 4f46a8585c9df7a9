#include "upstream/strict_response.h"

#include <algorithm>

#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"
#include "upstream/byte_source.h"

namespace ociproxy {

namespace {

constexpr std::string_view kVersionStart = "HTTP/1.";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::size_t kMaxLengthDigits = 18;

[[noreturn]] void malformed(const std::string& cause) {
    throw UpstreamError(UpstreamFailure::kProtocol, "malformed response: " + cause);
}

// Whatever is no HTTP is refused at its first bytes, not at a time-out.
void checkStart(std::string_view text) {
    if (text.size() <= kVersionStart.size() &&
        kVersionStart.substr(0, text.size()) != text) {
        malformed("not HTTP/1");
    }
}

// Everything up to and with the empty line.
std::string readHeadText(ByteSource& source) {
    std::string text;
    while (!endsWith(text, "\r\n\r\n")) {
        const int byte = source.get();
        if (byte < 0) {
            throw UpstreamError(UpstreamFailure::kConnectionTerminated,
                                text.empty() ? "connection closed before a response"
                                             : "connection closed within the response head");
        }
        if (byte == '\n' && !endsWith(text, "\r")) malformed("line without CR LF");
        text.push_back(static_cast<char>(byte));
        if (text.size() > kMaxResponseHead) malformed("head too large");
        checkStart(text);
    }
    return text;
}

bool isText(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const unsigned char byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

// "HTTP/1.1 200 OK"; the reason may be empty, and its space missing.
void parseStatusLine(std::string_view line, ResponseHead* head) {
    const std::string_view rest = line.substr(std::min(kVersionStart.size(), line.size()));
    const bool shape = rest.size() >= 5 && (rest[0] == '0' || rest[0] == '1') &&
                       rest[1] == ' ' && (rest.size() == 5 || rest[5] == ' ');
    const std::optional<std::uint64_t> status =
        shape ? parseUnsigned(rest.substr(2, 3)) : std::nullopt;
    if (!status || *status < 100 || *status > 599 || !isText(rest)) malformed("status line");
    head->status = static_cast<int>(*status);
    head->close = rest[0] == '0';
}

void parseField(std::string_view line, ResponseHead* head) {
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    // Also refuses folded lines and spaces before the colon.
    if (colon == std::string_view::npos || !isToken(name)) malformed("field name");
    const std::string_view value = trim(line.substr(colon + 1));
    if (!isText(value)) malformed("control byte in a field");
    if (head->fields.size() >= kMaxResponseFields) malformed("too many fields");
    head->fields.push_back({std::string(name), std::string(value)});
}

void parseContentLength(const std::vector<std::string>& values, ResponseHead* head) {
    if (values.empty()) return;
    if (values.size() > 1) malformed("several Content-Length");
    const std::string& text = values.front();
    head->contentLength = parseUnsigned(text);
    if (!head->contentLength || text.size() > kMaxLengthDigits) malformed("Content-Length");
}

// `close` still says here whether the version is HTTP/1.0.
void parseFraming(ResponseHead* head) {
    const std::vector<std::string> codings = head->all("Transfer-Encoding");
    parseContentLength(head->all("Content-Length"), head);
    if (codings.empty()) return;
    if (codings.size() > 1 || !equalsIgnoreCase(codings.front(), "chunked")) {
        malformed("transfer coding");
    }
    if (head->contentLength) malformed("Content-Length with Transfer-Encoding");
    if (head->close) malformed("Transfer-Encoding in HTTP/1.0");
    head->chunked = true;
}

void removeFields(std::string_view name, ResponseHead* head) {
    std::vector<ResponseHead::Field>& fields = head->fields;
    fields.erase(std::remove_if(fields.begin(), fields.end(),
                                [&](const ResponseHead::Field& field) {
                                    return equalsIgnoreCase(field.name, name);
                                }),
                 fields.end());
}

// Fields that Connection names are for the next hop only (RFC 9110 7.6.1).
void applyConnection(ResponseHead* head) {
    for (const std::string& value : head->all("Connection")) {
        for (std::string_view part : split(value, ',')) {
            const std::string_view option = trim(part);
            if (equalsIgnoreCase(option, "close")) head->close = true;
            if (!equalsIgnoreCase(option, "connection")) removeFields(option, head);
        }
    }
}

}  // namespace

const std::string* ResponseHead::field(std::string_view name) const noexcept {
    for (const Field& entry : fields) {
        if (equalsIgnoreCase(entry.name, name)) return &entry.value;
    }
    return nullptr;
}

std::vector<std::string> ResponseHead::all(std::string_view name) const {
    std::vector<std::string> out;
    for (const Field& entry : fields) {
        if (equalsIgnoreCase(entry.name, name)) out.push_back(entry.value);
    }
    return out;
}

ResponseHead readResponseHead(ByteSource& source) {
    const std::string text = readHeadText(source);
    ResponseHead head;
    std::string_view rest = text;
    bool first = true;
    while (rest.size() > kLineEnd.size()) {
        const std::string_view line = rest.substr(0, rest.find(kLineEnd));
        if (first) {
            parseStatusLine(line, &head);
        } else {
            parseField(line, &head);
        }
        first = false;
        rest.remove_prefix(line.size() + kLineEnd.size());
    }
    parseFraming(&head);
    applyConnection(&head);
    return head;
}

}  // namespace ociproxy
