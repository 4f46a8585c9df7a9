#ifndef OCIPROXY_SRC_UPSTREAM_HOP_SENDER_H
#define OCIPROXY_SRC_UPSTREAM_HOP_SENDER_H

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/upstream/client.h"
#include "upstream/hop_body.h"
#include "upstream/hop_connector.h"
#include "upstream/strict_response.h"
#include "upstream/url.h"

namespace ociproxy {

// One request to one origin.
struct HopRequest {
    HopPurpose purpose = HopPurpose::kContent;
    const Upstream* upstream = nullptr;
    UpstreamMethod method = UpstreamMethod::kGet;
    Url url;
    std::vector<ResponseHead::Field> fields;  // besides those that every request has
    TimePoint deadline;                       // until the head of the answer is there

    // "docker.io: GET https://host/path?...: <cause>", the text of an UpstreamError.
    std::string describe(std::string_view cause) const;
};

struct HopAnswer {
    ResponseHead head;
    std::unique_ptr<HopBody> body;
    bool publicAddress = false;  // of the peer
};

// No connection could be made: nothing was sent, another origin may do.
class ConnectFailure : public UpstreamError {
public:
    using UpstreamError::UpstreamError;
};

// Sends requests to origins and reads the heads of their answers, on idle connections
// where there are any. Skips up to 10 interim answers. A request on a reused connection
// that ends before a byte of answer is sent once more on a new one. Traces what goes
// over the wire. Any thread.
class HopSender {
public:
    explicit HopSender(const UpstreamClient::Options& options);

    // Throws UpstreamError; ConnectFailure while connecting.
    HopAnswer send(const HopRequest& request);

private:
    std::unique_ptr<HopConnection> connect(const HopRequest& request);
    std::optional<ResponseHead> exchangeUnlessStale(const HopRequest& request,
                                                    HopConnection& connection);
    ResponseHead exchange(const HopRequest& request, HopConnection& connection);
    ResponseHead askOn(HopConnection& connection, const HopRequest& request,
                       const std::string& head);
    ResponseHead readFinalHead(const HopRequest& request, HopConnection& connection);
    HopAnswer answer(const HopRequest& request, std::unique_ptr<HopConnection> connection,
                     ResponseHead head);
    std::vector<ResponseHead::Field> allFields(const HopRequest& request) const;
    void trace(const HopRequest& request, const std::string& what,
               const std::vector<ResponseHead::Field>& fields) const;

    const UpstreamClient::Options options_;
    HopConnector connector_;
    std::shared_ptr<IdleConnections> idle_;
};

}  // namespace ociproxy

#endif
