#include "ociproxy/upstream/trust_store.h"

#include <cstdlib>

#include <openssl/x509.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

// `variable` may hold several names with colons between them.
void addFromEnvironment(const char* variable, std::vector<std::string>* paths) {
    const char* value = std::getenv(variable);
    if (!value) return;
    for (std::string_view path : split(value, ':')) {
        if (!path.empty()) paths->emplace_back(path);
    }
}

}  // namespace

std::vector<std::string> trustStorePaths() {
    std::vector<std::string> paths{X509_get_default_cert_dir(), X509_get_default_cert_file(),
                                   X509_get_default_cert_area()};
    addFromEnvironment(X509_get_default_cert_dir_env(), &paths);
    addFromEnvironment(X509_get_default_cert_file_env(), &paths);
    addFromEnvironment("OPENSSL_CONF", &paths);
    return paths;
}

}  // namespace ociproxy
