#include "ociproxy/registry/error_body.h"

#include <cstddef>
#include <iterator>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

#include "registry/json_limits.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxBody = 64 * 1024;
constexpr std::size_t kMaxCode = 64;

const char* const kCodes[] = {
    "BLOB_UNKNOWN",     "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN",  "NAME_INVALID",
    "NAME_UNKNOWN",     "SIZE_INVALID",        "UNAUTHORIZED",        "DENIED",
    "UNSUPPORTED",      "TOOMANYREQUESTS",     "TAG_INVALID",         "RANGE_INVALID",
    "UNAVAILABLE",      "UNKNOWN",
};
static_assert(std::size(kCodes) == static_cast<std::size_t>(ErrorCode::kUnknown) + 1,
              "one text for each code");

// What the specification allows in a code; anything else is not repeated anywhere.
bool isCode(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxCode &&
           text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string_view::npos;
}

std::string firstCode(std::string_view body) {
    Poco::JSON::Parser parser;
    Poco::JSON::Object::Ptr root =
        parser.parse(std::string(body)).extract<Poco::JSON::Object::Ptr>();
    Poco::JSON::Array::Ptr errors = root->getArray("errors");
    if (errors.isNull() || errors->empty()) return {};
    Poco::JSON::Object::Ptr first = errors->getObject(0);
    if (first.isNull()) return {};
    Poco::Dynamic::Var code = first->get("code");
    if (!code.isString()) return {};
    std::string text = code.extract<std::string>();
    return isCode(text) ? text : std::string();
}

}  // namespace

const char* errorCodeText(ErrorCode code) noexcept {
    std::size_t index = static_cast<std::size_t>(code);
    OCIPROXY_ASSERT(index < std::size(kCodes));
    return kCodes[index];
}

std::string errorBody(ErrorCode code, std::string_view message, std::string_view detail) {
    std::string out = cat(R"({"errors":[{"code":")", errorCodeText(code), R"(","message":")",
                          jsonEscape(message), '"');
    if (!detail.empty()) out += cat(R"(,"detail":")", jsonEscape(detail), '"');
    return out + "}]}";
}

ErrorCode codeForStatus(int status) noexcept {
    switch (status) {
    case 401: return ErrorCode::kUnauthorized;
    case 403: return ErrorCode::kDenied;
    case 404: return ErrorCode::kNameUnknown;
    case 408: return ErrorCode::kUnknown;
    case 413: return ErrorCode::kSizeInvalid;
    case 416: return ErrorCode::kRangeInvalid;
    case 429: return ErrorCode::kTooManyRequests;
    case 500: return ErrorCode::kUnknown;
    case 501: return ErrorCode::kUnsupported;
    case 502:
    case 503:
    case 504: return ErrorCode::kUnavailable;
    case 505: return ErrorCode::kUnsupported;
    default: break;
    }
    return status >= 400 && status < 500 ? ErrorCode::kUnsupported : ErrorCode::kUnknown;
}

std::string errorCodeOf(std::string_view body) noexcept {
    try {
        if (body.size() > kMaxBody || !withinJsonLimits(body)) return {};
        return firstCode(body);
    } catch (...) {
        // No JSON, or of another shape: as a body without a code.
        return {};
    }
}

}  // namespace ociproxy
