#include "ociproxy/conf/config.h"

#include <algorithm>
#include <fcntl.h>
#include <thread>

#include "conf/params.h"
#include "conf/parser.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr unsigned kMaxWorkerCount = 32;
constexpr std::size_t kMaxFile = 1024 * 1024;

// Of a global parameter that is not repeatable.
std::string valueOf(const Param& param, Config* config) {
    const std::vector<std::string> lines = param.print({config, nullptr});
    return lines.empty() ? std::string() : lines.front();
}

}  // namespace

std::string UpstreamUrl::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    const bool usual = port == (tls ? 443 : 80);
    return cat(tls ? "https://" : "http://", v6 ? cat("[", host, "]") : host,
               usual ? std::string() : cat(":", port));
}

bool Config::speaksTls() const noexcept {
    return std::any_of(listen.begin(), listen.end(),
                       [](const ListenAddress& where) { return where.tls; });
}

unsigned Config::workerCount() const {
    const unsigned wanted = workers ? *workers : std::thread::hardware_concurrency();
    return std::clamp(wanted, 1u, kMaxWorkerCount);
}

Config defaultConfig() {
    Config config;
    for (const Param& param : allParams()) {
        if (param.scope == ParamScope::kGlobal) param.set({&config, nullptr}, param.defaultText);
    }
    return config;
}

std::vector<std::string> keepFixedParams(const Config& running, Config* fresh) {
    std::vector<std::string> differing;
    Config old = running;  // targets are not const
    for (const Param& param : allParams()) {
        if (param.scope != ParamScope::kGlobal || param.reloadable) continue;
        OCIPROXY_ASSERT(!param.repeatable());
        const std::string was = valueOf(param, &old);
        const std::string wanted = valueOf(param, fresh);
        if (was == wanted) continue;
        differing.push_back(cat(param.name, " = ", wanted, " needs a restart; ", was, " stays"));
        param.set({fresh, nullptr}, was);
    }
    return differing;
}

Config parseConfig(const std::string& text, const std::string& file) {
    return ConfigParser(text, file).parse();
}

Config loadConfig(const std::string& file) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) throwErrno("open " + file);
    return parseConfig(readAll(fd.get(), kMaxFile, file), file);
}

}  // namespace ociproxy
