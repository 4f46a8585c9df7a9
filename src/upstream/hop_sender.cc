#include "upstream/hop_sender.h"

#include <optional>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/upstream_stats.h"
#include "upstream/idle_connections.h"

namespace ociproxy {

namespace {

constexpr int kMaxInterim = 10;

const char* methodName(UpstreamMethod method) noexcept {
    return method == UpstreamMethod::kHead ? "HEAD" : "GET";
}

UpstreamOutcome outcomeOf(int status) noexcept {
    if (status < 300) return UpstreamOutcome::k2xx;
    if (status < 400) return UpstreamOutcome::k3xx;
    return status < 500 ? UpstreamOutcome::k4xx : UpstreamOutcome::k5xx;
}

// Times one request until the head of its answer is there, or until it has failed.
class Timing {
public:
    Timing(UpstreamStats* stats, const std::string& upstream) noexcept
        : stats_(stats), upstream_(upstream) {}
    ~Timing() {
        if (!stats_) return;
        stats_->observe(upstream_, outcome_, std::chrono::duration_cast<Micros>(now() - from_));
    }
    Timing(const Timing&) = delete;
    Timing& operator=(const Timing&) = delete;

    void answered(int status) noexcept { outcome_ = outcomeOf(status); }

private:
    UpstreamStats* stats_;
    const std::string& upstream_;
    const TimePoint from_ = now();
    UpstreamOutcome outcome_ = UpstreamOutcome::kFailed;
};

std::string idleKey(const HopRequest& request) {
    return cat(request.upstream->id, ' ', request.url.origin.text());
}

}  // namespace

std::string HopRequest::describe(std::string_view cause) const {
    return cat(upstream->name, ": ", methodName(method), ' ', redactUrl(url.text()), ": ", cause);
}

HopSender::HopSender(const UpstreamClient::Options& options)
    : options_(options), connector_(options.resolver, options.connectTimeout),
      idle_(std::make_shared<IdleConnections>(options.maxIdlePerOrigin)) {}

HopAnswer HopSender::send(const HopRequest& request) {
    std::unique_ptr<HopConnection> connection = idle_->take(idleKey(request));
    std::optional<ResponseHead> head;
    if (connection) head = exchangeUnlessStale(request, *connection);
    if (!head) {
        connection = connect(request);
        head = exchange(request, *connection);
    }
    return answer(request, std::move(connection), std::move(*head));
}

std::unique_ptr<HopConnection> HopSender::connect(const HopRequest& request) {
    try {
        return connector_.connect(request.purpose, *request.upstream, request.url.origin,
                                  request.deadline);
    } catch (const UpstreamError& e) {
        throw ConnectFailure(e.failure(), request.describe(e.what()));
    }
}

std::optional<ResponseHead> HopSender::exchangeUnlessStale(const HopRequest& request,
                                                           HopConnection& connection) {
    try {
        return exchange(request, connection);
    } catch (const UpstreamError& e) {
        if (e.failure() != UpstreamFailure::kConnectionTerminated || connection.answered()) throw;
        options_.log->debug(cat(e.what(), "; once more on a new connection"));
        return std::nullopt;
    }
}

ResponseHead HopSender::exchange(const HopRequest& request, HopConnection& connection) {
    const std::vector<ResponseHead::Field> fields = allFields(request);
    std::string text = cat(methodName(request.method), ' ', request.url.target, " HTTP/1.1\r\n");
    for (const ResponseHead::Field& field : fields) {
        if (!isPrintable(field.value)) {
            throw UpstreamError(UpstreamFailure::kProtocol,
                                request.describe(cat("unprintable value for ", field.name)));
        }
        text += cat(field.name, ": ", field.value, "\r\n");
    }
    trace(request, cat("> ", methodName(request.method), ' ', redactUrl(request.url.text())),
          fields);
    return askOn(connection, request, text + "\r\n");
}

ResponseHead HopSender::askOn(HopConnection& connection, const HopRequest& request,
                              const std::string& head) {
    options_.counters->add(Counter::kUpstreamRequests);
    connection.setPatience(Patience::until(request.deadline));
    Timing timing(options_.stats, request.upstream->name);
    try {
        connection.writeAll(head);
        ResponseHead answer = readFinalHead(request, connection);
        timing.answered(answer.status);
        return answer;
    } catch (const UpstreamError& e) {
        throw UpstreamError(e.failure(), request.describe(e.what()));
    }
}

ResponseHead HopSender::readFinalHead(const HopRequest& request, HopConnection& connection) {
    for (int interim = 0; interim <= kMaxInterim; ++interim) {
        ResponseHead head = readResponseHead(connection);
        trace(request, cat("< ", head.status, " of ", redactUrl(request.url.text())),
              head.fields);
        if (head.status == 101) {
            throw UpstreamError(UpstreamFailure::kProtocol, "switches protocols unasked");
        }
        if (head.status >= 200) return head;
    }
    throw UpstreamError(UpstreamFailure::kProtocol, "too many interim responses");
}

// An error whose body has no announced length is taken without its body; of anything
// else it could not be known whether it is complete.
HopAnswer HopSender::answer(const HopRequest& request, std::unique_ptr<HopConnection> connection,
                            ResponseHead head) {
    const BodyFraming framing = BodyFraming::of(head, request.method == UpstreamMethod::kHead);
    if (framing.kind == BodyFraming::Kind::kUnknown && head.status < 300) {
        throw UpstreamError(
            UpstreamFailure::kProtocol,
            request.describe("malformed response: neither Content-Length nor chunked"));
    }
    HopAnswer out;
    out.publicAddress = options_.isPublic(connection->peer());
    HopBody::Parts parts;
    parts.connection = std::move(connection);
    parts.idle = idle_;
    parts.key = idleKey(request);
    parts.reusable = !head.close;
    parts.silence = options_.idleTimeout;
    parts.minRate = options_.minRate;
    parts.rateWindow = options_.rateWindow;
    out.body = std::make_unique<HopBody>(std::move(parts), framing);
    out.head = std::move(head);
    return out;
}

std::vector<ResponseHead::Field> HopSender::allFields(const HopRequest& request) const {
    std::vector<ResponseHead::Field> fields = {
        {"Host", request.url.origin.authority()},
        {"User-Agent", options_.userAgent},
        {"Via", cat("1.1 ociproxy-", options_.instanceId)},
        {"Accept-Encoding", "identity"},
    };
    fields.insert(fields.end(), request.fields.begin(), request.fields.end());
    return fields;
}

void HopSender::trace(const HopRequest& request, const std::string& what,
                      const std::vector<ResponseHead::Field>& fields) const {
    if (!options_.log->enabled(LogLevel::kTrace)) return;
    std::string line = cat(request.upstream->name, ' ', what);
    for (const ResponseHead::Field& field : fields) {
        line += cat(" | ", field.name, ": ", redactHeader(field.name, field.value));
    }
    options_.log->trace(line);
}

}  // namespace ociproxy
