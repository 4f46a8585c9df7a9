// Lines of the access log: a byte with options, then lines with method and target. One
// request is one line, whatever stands in it, and JSON is JSON.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "proxy/access_log.h"
#include "registry/json_limits.h"
#include "store/record.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(access_line) {
    const unsigned choice = takeByte(&input);
    Request request;
    request.methodText = std::string(takeLine(&input));
    request.target = std::string(input);
    Finished finished;
    if ((choice & 1) == 0) finished.request = &request;
    finished.peer = (choice & 2) == 0 ? "192.0.2.1:5000" : "unix:";
    finished.status = static_cast<int>(100 + choice);
    finished.bodyBytes = std::uint64_t{1} << (choice & 63);
    finished.duration = std::chrono::microseconds(choice * 977);
    finished.complete = (choice & 4) != 0;
    if ((choice & 8) != 0) finished.cacheResult = "hit";
    if ((choice & 16) != 0) finished.upstreamStatus = 404;

    const std::string text = accessLine(finished);
    FUZZ_CHECK(isPrintable(text));
    const std::string json = accessLine(finished, LogFormat::kJson);
    FUZZ_CHECK(json.find('\n') == std::string::npos);
    if (finished.request != nullptr && (request.methodText.find('\0') != std::string::npos ||
                                        request.target.find('\0') != std::string::npos)) {
        return;  // our reader of JSON refuses what stands for NUL
    }
    FUZZ_CHECK(withinJsonLimits(json));
    const std::optional<Record> record = Record::parse(json);
    FUZZ_CHECK(record && record->getNumber("status") == 100 + choice);
    FUZZ_CHECK(record->getNumber("bytes") == finished.bodyBytes);
    FUZZ_CHECK(record->getFlag("complete") == finished.complete);
    FUZZ_CHECK(record->getText("method").has_value() == (finished.request != nullptr));
}

}  // namespace ociproxy::fuzz
