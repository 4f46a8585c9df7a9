#include "upstream/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <Poco/Exception.h>

#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"

namespace ociproxy {

namespace {

Poco::Net::Context::Ptr makeContext(const std::string& caFile) {
    Poco::Net::Context::Params params;
    params.verificationMode = Poco::Net::Context::VERIFY_STRICT;
    params.caLocation = caFile;
    params.loadDefaultCAs = true;
    params.dhUse2048Bits = true;
    // Poco's own default begins with "ALL", which has anonymous suites in it.
    params.cipherList = "DEFAULT:!aNULL:!eNULL";
    Poco::Net::Context::Ptr context =
        new Poco::Net::Context(Poco::Net::Context::TLS_CLIENT_USE, params);
    context->requireMinimumProtocol(Poco::Net::Context::PROTO_TLSV1_2);
    SSL_CTX* native = context->sslContext();
    // Poco's callback builds certificate objects for an event that nobody handles.
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
    // Many servers close without close_notify. A truncation shows by Content-Length,
    // chunks and digests, and bodies that have no announced end are refused.
    SSL_CTX_set_options(native, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(native, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    // Setting up leaves entries in this thread's error queue.
    ERR_clear_error();
    return context;
}

}  // namespace

Poco::Net::Context::Ptr TlsContexts::get(const std::string& caFile) {
    std::lock_guard<std::mutex> lock(mutex_);
    Poco::Net::Context::Ptr& context = contexts_[caFile];
    if (!context) {
        try {
            context = makeContext(caFile);
        } catch (const Poco::Exception& e) {
            ERR_clear_error();
            throw UpstreamError(UpstreamFailure::kTlsProtocol,
                                cat("cannot prepare TLS", caFile.empty() ? "" : " with ca_file ",
                                    caFile, ": ", e.displayText()));
        }
    }
    return context;
}

}  // namespace ociproxy
