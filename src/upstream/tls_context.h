#ifndef OCIPROXY_SRC_UPSTREAM_TLS_CONTEXT_H
#define OCIPROXY_SRC_UPSTREAM_TLS_CONTEXT_H

#include <map>
#include <mutex>
#include <string>

#include <Poco/Net/Context.h>

namespace ociproxy {

// The TLS settings for upstreams, one set per file of extra authorities: TLS 1.2 at
// least, strict verification, the system's authorities and those of the file. They live
// as long as this object, which outlives their connections. Any thread.
class TlsContexts {
public:
    // `caFile` may be empty. Reads the file when it is first asked for. Throws
    // UpstreamError (kTlsProtocol) when that fails.
    Poco::Net::Context::Ptr get(const std::string& caFile);

private:
    std::mutex mutex_;
    std::map<std::string, Poco::Net::Context::Ptr> contexts_;
};

}  // namespace ociproxy

#endif
