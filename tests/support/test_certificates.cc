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
    std::FILE* file = std::fopen(caFile_.c_str(), "w");
    CPPUNIT_ASSERT(file && PEM_write_X509(file, ca) == 1);
    std::fclose(file);
}

TestAuthority::~TestAuthority() {
    ::unlink(caFile_.c_str());
    ::rmdir(directory_.c_str());
}

TestAuthority::Context TestAuthority::server(const std::string& names, long validSeconds) const {
    const Key key = newKey();
    const Certificate leaf = newCertificate(key.get(), "server", validSeconds);
    X509* ca = certificate_.get();
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca));
    addExtension(leaf.get(), ca, NID_subject_alt_name, names);
    addExtension(leaf.get(), ca, NID_ext_key_usage, "serverAuth");
    CPPUNIT_ASSERT(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0);
    Context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    CPPUNIT_ASSERT_EQUAL(1, SSL_CTX_use_certificate(context.get(), leaf.get()));
    CPPUNIT_ASSERT_EQUAL(1, SSL_CTX_use_PrivateKey(context.get(), key.get()));
    return context;
}

}  // namespace ociproxy
