#ifndef OCIPROXY_UPSTREAM_TRUST_STORE_H
#define OCIPROXY_UPSTREAM_TRUST_STORE_H

#include <string>
#include <vector>

namespace ociproxy {

// Files and directories from which TLS reads the system's authorities and its own
// configuration: OpenSSL's places and what SSL_CERT_FILE, SSL_CERT_DIR and OPENSSL_CONF
// in the environment name. Some need not exist, and links in them may lead elsewhere.
std::vector<std::string> trustStorePaths();

}  // namespace ociproxy

#endif
