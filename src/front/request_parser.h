#ifndef OCIPROXY_SRC_FRONT_REQUEST_PARSER_H
#define OCIPROXY_SRC_FRONT_REQUEST_PARSER_H

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "front/request_checks.h"
#include "ociproxy/front/message.h"

namespace ociproxy {

struct ParserLimits {
    std::size_t requestLine = 16 * 1024;  // without CR LF; longer: 414
    std::size_t head = 128 * 1024;        // with the empty line; longer: 431
    std::size_t fields = 128;             // more: 431
    std::size_t rangeField = 64 * 1024;   // value of Range; longer: 431
};

// Reads one request head, strictly (RFC 9112 2 to 6). The result
// depends on the bytes alone, not on the pieces in which they came; each byte is looked
// at once, and a refusal comes with the first byte that makes it inevitable, so that
// neither a TLS hello nor a client that sends single bytes costs time.
//
// Strict where RFC 9112 leaves a choice: lines end in CR LF only, one empty line before
// the request line at most, obs-fold refused, exactly one space in the request line.
// Bytes above 0x7f pass in field values only. Not synchronized; a value per head.
class RequestParser {
public:
    enum class Status { kIncomplete, kComplete, kRefused };

    explicit RequestParser(const ParserLimits& limits) : limits_(limits) {}

    // REQUIRES: `input` begins as in all earlier calls. Not called again once it has
    // returned something other than kIncomplete.
    Status advance(std::string_view input);

    // After kComplete: without peer and received. The bytes behind consumed() belong
    // to the next request.
    Request takeRequest() { return std::move(request_); }
    std::size_t consumed() const noexcept { return lineStart_; }

    const HeadRefusal& refusal() const noexcept { return refusal_; }  // after kRefused
    // kGet until the request line was read.
    Method method() const noexcept { return request_.method; }

private:
    enum class Stage { kRequestLine, kFields, kDone };

    Status refuse(int status, std::string_view message);
    std::size_t roomInLine() const noexcept;
    std::optional<std::size_t> findLineEnd(std::string_view input);
    bool checkByte(std::size_t position, char c);
    bool takeLine(std::string_view line);
    bool takeRequestLine(std::string_view line);
    bool takeVersion(std::string_view version, std::string_view method);
    bool takeField(std::string_view line);
    bool finish();

    ParserLimits limits_;
    Stage stage_ = Stage::kRequestLine;
    std::size_t headStart_ = 0;  // behind an empty line that was skipped
    std::size_t lineStart_ = 0;
    std::size_t scanned_ = 0;  // bytes before it were checked
    bool skippedEmptyLine_ = false;
    bool refused_ = false;
    std::string authority_;
    Request request_;
    HeadRefusal refusal_;
};

}  // namespace ociproxy

#endif
