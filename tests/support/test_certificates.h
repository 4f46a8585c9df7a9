// Certificates made at run time, for tests of TLS.
#ifndef OCIPROXY_TESTS_SUPPORT_TEST_CERTIFICATES_H
#define OCIPROXY_TESTS_SUPPORT_TEST_CERTIFICATES_H

#include <memory>
#include <string>

#include <openssl/ssl.h>

namespace ociproxy {

// An authority of its own, with its certificate in a file below a temporary directory
// that goes with it.
class TestAuthority {
public:
    using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

    TestAuthority();
    ~TestAuthority();
    TestAuthority(const TestAuthority&) = delete;
    TestAuthority& operator=(const TestAuthority&) = delete;

    const std::string& caFile() const noexcept { return caFile_; }
    // A server's context with a certificate for `names` ("DNS:up.test,IP:127.0.0.1") that
    // is valid from an hour ago to `validSeconds` from now.
    Context server(const std::string& names, long validSeconds = 3600) const;

    // A certificate and its key in PEM form.
    struct Identity {
        std::string certificate;
        std::string key;
    };
    Identity issueServer(const std::string& names, long validSeconds = 3600) const;
    Identity issueClient(const std::string& name, long validSeconds = 3600) const;
    const std::string& pem() const noexcept { return pem_; }  // the authority's own
    // A client's context that trusts this authority; with a certificate if `own` is given.
    Context client(const Identity* own = nullptr) const;

private:
    Identity issue(const char* name, const std::string& names, const char* usage,
                   long validSeconds) const;

    std::string directory_;
    std::string pem_;
    std::string caFile_;
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
    std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

}  // namespace ociproxy

#endif
