#include "proc/tls_files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr mode_t kGroup = S_IRGRP | S_IWGRP | S_IXGRP;

// Reads the files of one configuration.
class TlsFiles {
public:
    TlsFiles(const Config& config, const Identity& owner) : config_(config), owner_(owner) {}

    TlsServer::Pem read(const char* key, const std::string& path) const;
    TlsServer::Pem readPrivate(const char* key, const std::string& path) const;

private:
    std::string nameOf(const char* key, const std::string& path) const {
        return cat(config_.file, ": ", key, " ", path);
    }
    Fd open(const char* key, const std::string& path) const;
    void requirePrivate(const Fd& file, const std::string& name) const;

    const Config& config_;
    const Identity owner_;
};

// Not of a fifo, on which a reload would wait for ever.
Fd TlsFiles::open(const char* key, const std::string& path) const {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file) return file;
    const int code = errno;
    const Identity self = ownIdentity();
    throw ConfigError(cat(nameOf(key, path), ": cannot be read by ", self.text(), ": ",
                          errnoText(code),
                          code == EACCES && self.uid != 0
                              ? " (only a start by root reads it as root)" : ""));
}

TlsServer::Pem TlsFiles::read(const char* key, const std::string& path) const {
    const Fd file = open(key, path);
    return {nameOf(key, path), readAll(file.get(), kMaxFile, nameOf(key, path))};
}

TlsServer::Pem TlsFiles::readPrivate(const char* key, const std::string& path) const {
    const Fd file = open(key, path);
    requirePrivate(file, nameOf(key, path));
    return {nameOf(key, path), readAll(file.get(), kMaxFile, nameOf(key, path))};
}

// Of the open file: nobody exchanges it between check and use.
void TlsFiles::requirePrivate(const Fd& file, const std::string& name) const {
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0) throwErrno(name);
    const bool ownersOk = status.st_uid == 0 || status.st_uid == owner_.uid;
    const bool ourGroup = status.st_uid == 0 && status.st_gid == owner_.gid;
    const bool groupOk = (status.st_mode & kGroup) == 0 ||
                         (ourGroup && (status.st_mode & kGroup) == S_IRGRP);
    if (ownersOk && groupOk && (status.st_mode & S_IRWXO) == 0) return;
    throw ConfigError(cat(name, ": others can read or change it; make it root's or the proxy's "
                          "own with mode 600, or root's with the group of ", owner_.text(),
                          " and mode 640"));
}

}  // namespace

TlsServer::TicketSecret newTicketSecret() {
    TlsServer::TicketSecret secret;
    if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
        throwErrno("getrandom");
    }
    return secret;
}

std::unique_ptr<TlsServer> loadTls(const Config& config, const Identity& owner,
                                   const TlsServer::TicketSecret& secret) {
    if (!config.speaksTls()) return nullptr;
    const TlsFiles files(config, owner);
    TlsServer::Options options;
    options.ticketSecret = secret;
    try {
        options.certificate = files.read("tls_certificate", config.tlsCertificate);
        options.key = files.readPrivate("tls_key", config.tlsKey);
        if (!config.tlsClientCa.empty()) {
            options.clientCa = files.read("tls_client_ca", config.tlsClientCa);
        }
        std::unique_ptr<TlsServer> out = std::make_unique<TlsServer>(options);
        ::explicit_bzero(options.key.text.data(), options.key.text.size());
        return out;
    } catch (const ConfigError&) {
        throw;
    } catch (const Error& e) {
        throw ConfigError(e.what());
    }
}

void logTls(Log& log, const TlsServer* tls) {
    if (!tls) return;
    log.write(tls->expired() ? LogLevel::kWarning : LogLevel::kInfo,
              cat("the certificate for TLS ", tls->expired() ? "has expired: " : "is valid until ",
                  tls->expiry()));
}

}  // namespace ociproxy
