#include "support/test_certificates.h"

#include <cppunit/extensions/HelperMacros.h>
#include <cstdio>
#include <cstdlib>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "ociproxy/base/digest.h"

namespace ociproxy {

namespace {

using Certificate = std::unique_ptr<X509, void (*)(X509*)>;
using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

constexpr long kHour = 3600;

Key newKey() {
    Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    CPPUNIT_ASSERT(key);
    return key;
}

void addExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    CPPUNIT_ASSERT(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

// Not yet signed.
Certificate newCertificate(EVP_PKEY* key, const char* name, long validSeconds) {
    Certificate out(X509_new(), &X509_free);
    X509_set_version(out.get(), 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), random64() >> 1);
    X509_gmtime_adj(X509_getm_notBefore(out.get()), -kHour);
    X509_gmtime_adj(X509_getm_notAfter(out.get()), validSeconds);
    X509_set_pubkey(out.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    return out;
}

// What `write` writes into it.
template <class Write>
std::string textOf(const Write& write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    CPPUNIT_ASSERT_EQUAL(1, write(memory.get()));
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
}

std::string certificatePem(X509* certificate) {
    return textOf([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

std::string keyPem(EVP_PKEY* key) {
    return textOf([&](BIO* out) {
        return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
}

void use(const TestAuthority::Identity& identity, SSL_CTX* context) {
    const std::unique_ptr<BIO, int (*)(BIO*)> certificate(
        BIO_new_mem_buf(identity.certificate.data(), -1), &BIO_free);
    const std::unique_ptr<BIO, int (*)(BIO*)> key(BIO_new_mem_buf(identity.key.data(), -1),
                                                  &BIO_free);
    const Certificate leaf(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr),
                           &X509_free);
    const Key secret(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr),
                     &EVP_PKEY_free);
    CPPUNIT_ASSERT_EQUAL(1, SSL_CTX_use_certificate(context, leaf.get()));
    CPPUNIT_ASSERT_EQUAL(1, SSL_CTX_use_PrivateKey(context, secret.get()));
}

}  // namespace

TestAuthority::TestAuthority() : key_(newKey()), certificate_(nullptr, &X509_free) {
    const char* folder = std::getenv("TMPDIR");
    directory_ = std::string(folder ? folder : "/tmp") + "/ociproxy-ca-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(&directory_[0]));
    caFile_ = directory_ + "/ca.pem";
    certificate_ = newCertificate(key_.get(), "Test Authority", 24 * kHour);
    X509* ca = certificate_.get();
    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    addExtension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    addExtension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    addExtension(ca, ca, NID_subject_key_identifier, "hash");
    CPPUNIT_ASSERT(X509_sign(ca, key_.get(), EVP_sha256()) > 0);
    pem_ = certificatePem(ca);
    std::FILE* file = std::fopen(caFile_.c_str(), "w");
    CPPUNIT_ASSERT(file && std::fwrite(pem_.data(), pem_.size(), 1, file) == 1);
    std::fclose(file);
}

TestAuthority::~TestAuthority() {
    ::unlink(caFile_.c_str());
    ::rmdir(directory_.c_str());
}

TestAuthority::Identity TestAuthority::issue(const char* name, const std::string& names,
                                             const char* usage, long validSeconds) const {
    const Key key = newKey();
    const Certificate leaf = newCertificate(key.get(), name, validSeconds);
    X509* ca = certificate_.get();
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca));
    if (!names.empty()) addExtension(leaf.get(), ca, NID_subject_alt_name, names);
    addExtension(leaf.get(), ca, NID_ext_key_usage, usage);
    CPPUNIT_ASSERT(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0);
    return {certificatePem(leaf.get()), keyPem(key.get())};
}

TestAuthority::Identity TestAuthority::issueServer(const std::string& names,
                                                   long validSeconds) const {
    return issue("server", names, "serverAuth", validSeconds);
}

TestAuthority::Identity TestAuthority::issueClient(const std::string& name,
                                                   long validSeconds) const {
    return issue(name.c_str(), "", "clientAuth", validSeconds);
}

TestAuthority::Context TestAuthority::server(const std::string& names, long validSeconds) const {
    Context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    use(issueServer(names, validSeconds), context.get());
    return context;
}

TestAuthority::Context TestAuthority::client(const Identity* own) const {
    Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    CPPUNIT_ASSERT_EQUAL(1, X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()),
                                                certificate_.get()));
    if (own) use(*own, context.get());
    return context;
}

}  // namespace ociproxy
