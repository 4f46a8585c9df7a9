#include "conf/values.h"

#include "conf/value_parts.h"
#include "ociproxy/base/account.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

namespace {

constexpr std::size_t kLongestSocketPath = 107;  // what a sockaddr_un holds

// What may stand behind the address of a listener.
struct ListenWord {
    const char* word;
    bool ListenAddress::*flag;
};
constexpr ListenWord kListenWords[] = {{"tls", &ListenAddress::tls},
                                       {"proxy_protocol", &ListenAddress::proxyProtocol}};

std::uint16_t parsePort(std::string_view text, bool zeroToo) {
    const std::optional<std::uint64_t> port = parseUnsigned(text);
    if (!port || *port > 65535 || (*port == 0 && !zeroToo)) bad("a port is a number up to 65535");
    return static_cast<std::uint16_t>(*port);
}

std::string absolutePath(const std::string& value) {
    if (!startsWith(value, "/")) bad("an absolute path is expected");
    return value;
}

// Without a default: empty when no file says otherwise.
std::string pathOrNone(const std::string& value) {
    return value.empty() ? value : absolutePath(value);
}

Lines unlessNone(const std::string& value) { return value.empty() ? Lines() : Lines{value}; }

std::string orAuto(const std::string& value) { return value.empty() ? "auto" : value; }

bool isAllowPattern(std::string_view text) {
    if (text == "*") return true;
    if (startsWith(text, "*.")) text.remove_prefix(2);
    const std::optional<HostPort> host = parseHostPort(text);
    return host && host->port == 0 && isPublicHostName(host->host);
}

bool isAlias(std::string_view text) {
    return isRepositoryComponent(text) || parseHostPort(text).has_value();
}

std::string withoutBrackets(const std::string& host) {
    return startsWith(host, "[") ? host.substr(1, host.size() - 2) : host;
}

ListenAddress inetAddress(const std::string& value) {
    const std::size_t colon = value.rfind(':');
    if (colon == std::string::npos) bad("[ADDRESS]:PORT is expected, such as :8080");
    ListenAddress listen;
    listen.text = value;
    listen.port = parsePort(value.substr(colon + 1), true);
    const std::string host = value.substr(0, colon);
    if (!host.empty()) {
        listen.address = IpAddress::parse(host);
        const bool bracketed = startsWith(host, "[");
        if (!listen.address || listen.address->isV4() == bracketed) {
            bad("an IP address is expected before the port, IPv6 in brackets");
        }
    }
    return listen;
}

ListenAddress pathAddress(const std::string& value) {
    ListenAddress listen;
    listen.text = value;
    listen.path = absolutePath(startsWith(value, "unix:") ? value.substr(5) : value);
    if (listen.path.size() > kLongestSocketPath) {
        bad(cat("the path of a socket has at most ", kLongestSocketPath, " bytes"));
    }
    return listen;
}

ListenAddress anyAddress(const std::string& value) {
    const bool path = startsWith(value, "unix:") || startsWith(value, "/");
    return path ? pathAddress(value) : inetAddress(value);
}

void takeListenWord(ListenAddress* listen, const std::string& given) {
    for (const ListenWord& known : kListenWords) {
        if (given != known.word) continue;
        if (listen->*known.flag) bad(cat(given, " is said twice"));
        listen->*known.flag = true;
        return;
    }
    bad("only tls and proxy_protocol may stand behind the address");
}

std::string listenText(const ListenAddress& listen) {
    std::string text = listen.text;
    for (const ListenWord& known : kListenWords) {
        if (listen.*known.flag) text += cat(" ", known.word);
    }
    return text;
}

}  // namespace

void setListen(const ParamTarget& target, const std::string& value) {
    const std::vector<std::string> parts = list(value);
    ListenAddress listen = anyAddress(parts.front());
    for (std::size_t i = 1; i < parts.size(); ++i) takeListenWord(&listen, parts[i]);
    target.config->listen.push_back(std::move(listen));
}
Lines printListen(const ParamTarget& target) {
    Lines lines;
    for (const ListenAddress& listen : target.config->listen) lines.push_back(listenText(listen));
    return lines;
}

void setTlsCertificate(const ParamTarget& target, const std::string& value) {
    target.config->tlsCertificate = pathOrNone(value);
}
Lines printTlsCertificate(const ParamTarget& target) {
    return unlessNone(target.config->tlsCertificate);
}

void setTlsKey(const ParamTarget& target, const std::string& value) {
    target.config->tlsKey = pathOrNone(value);
}
Lines printTlsKey(const ParamTarget& target) { return unlessNone(target.config->tlsKey); }

void setTlsClientCa(const ParamTarget& target, const std::string& value) {
    target.config->tlsClientCa = pathOrNone(value);
}
Lines printTlsClientCa(const ParamTarget& target) {
    return unlessNone(target.config->tlsClientCa);
}

void setAdminListen(const ParamTarget& target, const std::string& value) {
    target.config->adminListen.clear();
    if (value == "off") return;
    target.config->adminListen.push_back(anyAddress(value));
}
Lines printAdminListen(const ParamTarget& target) {
    if (target.config->adminListen.empty()) return {"off"};
    return {target.config->adminListen.front().text};
}

void setUser(const ParamTarget& target, const std::string& value) {
    target.config->user.clear();
    if (value == "auto") return;
    if (!findUser(value)) bad("there is no such account");
    target.config->user = value;
}
Lines printUser(const ParamTarget& target) { return {orAuto(target.config->user)}; }

void setGroup(const ParamTarget& target, const std::string& value) {
    target.config->group.clear();
    if (value == "auto") return;
    if (!findGroup(value)) bad("there is no such group");
    target.config->group = value;
}
Lines printGroup(const ParamTarget& target) { return {orAuto(target.config->group)}; }

void setCacheDir(const ParamTarget& target, const std::string& value) {
    target.config->cacheDir = absolutePath(value);
}
Lines printCacheDir(const ParamTarget& target) { return {target.config->cacheDir}; }

void setDurability(const ParamTarget& target, const std::string& value) {
    DurabilitySetting& durability = target.config->durability;
    if (value == "full") durability = DurabilitySetting::kFull;
    else if (value == "data") durability = DurabilitySetting::kData;
    else if (value == "none") durability = DurabilitySetting::kNone;
    else bad("full, data or none is expected");
}
Lines printDurability(const ParamTarget& target) {
    switch (target.config->durability) {
    case DurabilitySetting::kData: return {"data"};
    case DurabilitySetting::kNone: return {"none"};
    case DurabilitySetting::kFull: break;
    }
    return {"full"};
}

void setWorkers(const ParamTarget& target, const std::string& value) {
    target.config->workers.reset();
    if (value == "auto") return;
    const std::optional<std::uint64_t> number = parseUnsigned(value);
    if (!number || *number < 1 || *number > 32) bad("auto or a number from 1 to 32 is expected");
    target.config->workers = static_cast<unsigned>(*number);
}
Lines printWorkers(const ParamTarget& target) {
    return {target.config->workers ? std::to_string(*target.config->workers) : "auto"};
}

void setPidFile(const ParamTarget& target, const std::string& value) {
    const bool word = value == "auto" || value == "off";
    target.config->pidFile = word ? value : absolutePath(value);
}
Lines printPidFile(const ParamTarget& target) { return {target.config->pidFile}; }

void setLog(const ParamTarget& target, const std::string& value) {
    const bool word = value == "stderr" || value == "syslog";
    target.config->log = word ? value : absolutePath(value);
}
Lines printLog(const ParamTarget& target) { return {target.config->log}; }

void setLogLevel(const ParamTarget& target, const std::string& value) {
    const std::optional<LogLevel> level = parseLevel(value);
    if (!level) bad("error, warning, info, debug or trace is expected");
    target.config->logLevel = *level;
}
Lines printLogLevel(const ParamTarget& target) { return {levelName(target.config->logLevel)}; }

void setAccessLog(const ParamTarget& target, const std::string& value) {
    const bool word = value == "stderr" || value == "syslog" || value == "off";
    target.config->accessLog = word ? value : absolutePath(value);
}
Lines printAccessLog(const ParamTarget& target) { return {target.config->accessLog}; }

void setAccessLogFormat(const ParamTarget& target, const std::string& value) {
    const std::optional<LogFormat> format = parseFormat(value);
    if (!format) bad("text or json is expected");
    target.config->accessLogFormat = *format;
}
Lines printAccessLogFormat(const ParamTarget& target) {
    return {formatName(target.config->accessLogFormat)};
}

void setFollowAfter(const ParamTarget& target, const std::string& value) {
    target.config->followAfter.reset();
    if (value == "never") return;
    const std::optional<std::uint64_t> time = parseDuration(value);
    if (!time || *time > kLongestWait) {
        bad("a duration up to 1d, such as 2s, 0s or 500ms, is expected, or never");
    }
    target.config->followAfter = Millis{*time};
}
Lines printFollowAfter(const ParamTarget& target) {
    if (!target.config->followAfter) return {"never"};
    return {formatDuration(static_cast<std::uint64_t>(target.config->followAfter->count()))};
}

void setUnverifiedRanges(const ParamTarget& target, const std::string& value) {
    if (value != "on" && value != "off") bad("on or off is expected");
    target.config->unverifiedRanges = value == "on";
}
Lines printUnverifiedRanges(const ParamTarget& target) {
    return {target.config->unverifiedRanges ? "on" : "off"};
}

void setAllowUpstreams(const ParamTarget& target, const std::string& value) {
    std::vector<std::string> patterns;
    if (value != "none") patterns = list(value);
    for (std::string& pattern : patterns) {
        if (pattern == "*" && patterns.size() > 1) bad("* stands alone or not at all");
        pattern = lower(pattern);
        if (!isAllowPattern(pattern)) {
            bad(cat(logEscape(pattern), " is neither a public host name nor *.SUFFIX nor *"));
        }
    }
    target.config->allowUpstreams = std::move(patterns);
}
Lines printAllowUpstreams(const ParamTarget& target) {
    if (target.config->allowUpstreams.empty()) return {"none"};
    return joined(target.config->allowUpstreams);
}

void setUrl(const ParamTarget& target, const std::string& value) {
    UpstreamUrl url;
    std::string_view rest = value;
    if (startsWith(rest, "https://")) {
        rest.remove_prefix(8);
    } else if (startsWith(rest, "http://")) {
        rest.remove_prefix(7);
        url.tls = false;
    } else {
        bad("http:// or https:// is expected");
    }
    if (endsWith(rest, "/")) rest.remove_suffix(1);
    const std::optional<HostPort> host = parseHostPort(rest);
    if (!host) bad("only a host and perhaps a port may follow the scheme");
    url.host = withoutBrackets(host->host);
    url.port = host->port != 0 ? host->port : static_cast<std::uint16_t>(url.tls ? 443 : 80);
    target.upstream->urls.push_back(std::move(url));
}
Lines printUrl(const ParamTarget& target) {
    Lines lines;
    for (const UpstreamUrl& url : target.upstream->urls) lines.push_back(url.text());
    return lines;
}

void setAliases(const ParamTarget& target, const std::string& value) {
    std::vector<std::string> aliases = list(value);
    for (const std::string& alias : aliases) {
        if (!isAlias(alias)) {
            bad(cat(logEscape(alias), " cannot be the first part of an image name"));
        }
    }
    target.upstream->aliases = std::move(aliases);
}
Lines printAliases(const ParamTarget& target) { return joined(target.upstream->aliases); }

void setPublic(const ParamTarget& target, const std::string& value) {
    if (value == "auto") target.upstream->isPublic = PublicSetting::kAuto;
    else if (value == "yes") target.upstream->isPublic = PublicSetting::kYes;
    else if (value == "no") target.upstream->isPublic = PublicSetting::kNo;
    else bad("auto, yes or no is expected");
}
Lines printPublic(const ParamTarget& target) {
    switch (target.upstream->isPublic) {
    case PublicSetting::kYes: return {"yes"};
    case PublicSetting::kNo: return {"no"};
    default: return {"auto"};
    }
}

void setAllowAddresses(const ParamTarget& target, const std::string& value) {
    target.upstream->allowAddresses = networks(value);
}
Lines printAllowAddresses(const ParamTarget& target) {
    return joined(target.upstream->allowAddresses);
}

void setCaFile(const ParamTarget& target, const std::string& value) {
    target.upstream->caFile = absolutePath(value);
}
Lines printCaFile(const ParamTarget& target) {
    if (target.upstream->caFile.empty()) return {};
    return {target.upstream->caFile};
}

}  // namespace ociproxy
