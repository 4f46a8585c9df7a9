#ifndef OCIPROXY_SRC_PROC_TLS_FILES_H
#define OCIPROXY_SRC_PROC_TLS_FILES_H

#include <memory>

#include "ociproxy/front/tls.h"
#include "ociproxy/proc/privileges.h"

namespace ociproxy {

struct Config;
class Log;

// Random, for one run of the master. Throws SysError.
TlsServer::TicketSecret newTicketSecret();

// Reads what the TLS listeners of `config` need; nullptr if there is none. `owner`: whom
// the proxy is or becomes, who may be let at the key by its group. Throws ConfigError when
// a file cannot be read or used, when certificate and key do not belong together, and when
// others could read the key.
std::unique_ptr<TlsServer> loadTls(const Config& config, const Identity& owner,
                                   const TlsServer::TicketSecret& secret);

// Until when the certificate is valid; a warning if that is over. Nothing without TLS.
void logTls(Log& log, const TlsServer* tls);

}  // namespace ociproxy

#endif
