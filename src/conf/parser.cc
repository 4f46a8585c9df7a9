#include "conf/parser.h"

#include <stdexcept>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

namespace {

constexpr const char* kHubOrigin = "https://registry-1.docker.io";

std::string_view withoutComment(std::string_view line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        const bool begins = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
        if (line[i] == '#' && begins) return line.substr(0, i);
    }
    return line;
}

}  // namespace

ConfigParser::ConfigParser(std::string_view text, std::string file)
    : text_(text), file_(std::move(file)), config_(defaultConfig()) {
    config_.file = file_;
}

void ConfigParser::failAt(int line, const std::string& message) const {
    throw ConfigError(cat(file_, ":", line, ": ", message));
}

Config ConfigParser::parse() {
    for (std::string_view line : split(text_, '\n')) {
        ++line_;
        if (endsWith(line, "\r")) line.remove_suffix(1);
        parseLine(line);
    }
    closeSection();
    checkListeners();
    return std::move(config_);
}

void ConfigParser::parseLine(std::string_view line) {
    const std::string_view text = trim(withoutComment(line));
    if (text.empty()) return;
    if (text.front() == '[') return openSection(text);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
        fail(cat("\"", logEscape(text), "\" is neither \"key = value\" nor a section"));
    }
    setKey(trim(text.substr(0, equals)), trim(text.substr(equals + 1)));
}

void ConfigParser::openSection(std::string_view header) {
    closeSection();
    const bool closed = header.back() == ']';
    const std::vector<std::string_view> parts =
        words(closed ? header.substr(1, header.size() - 2) : std::string_view());
    if (parts.size() != 2 || parts[0] != "upstream") {
        fail("a section is written [upstream NAME]");
    }
    if (!parseHostPort(parts[1])) {
        fail(cat("\"", logEscape(parts[1]), "\" is no registry name: HOST or HOST:PORT"));
    }
    UpstreamConfig upstream;
    upstream.name = canonicalRegistry(parts[1]);
    upstream.line = line_;
    claimName(upstream.name, line_);
    config_.upstreams.push_back(std::move(upstream));
    inUpstream_ = true;
    seen_.clear();
}

// Completes the section that ends here.
void ConfigParser::closeSection() {
    if (!inUpstream_) return;
    UpstreamConfig& upstream = config_.upstreams.back();
    if (!upstream.urls.empty()) return;
    const std::string url =
        upstream.name == "docker.io" ? kHubOrigin : cat("https://", upstream.name);
    findParam(ParamScope::kUpstream, "url")->set({&config_, &upstream}, url);
}

// Without anybody to trust nobody could connect where PROXY headers are wanted.
void ConfigParser::checkListeners() const {
    const bool trusting = !config_.trustedProxies.empty();
    for (const ListenAddress& listen : config_.listen) {
        if (listen.tls && config_.tlsCertificate.empty()) {
            failAt(listen.line, "tls needs tls_certificate");
        }
        if (listen.tls && config_.tlsKey.empty()) failAt(listen.line, "tls needs tls_key");
        if (listen.proxyProtocol && listen.path.empty() && !trusting) {
            failAt(listen.line, "proxy_protocol needs trusted_proxies, but on unix sockets");
        }
    }
}

void ConfigParser::claimName(const std::string& name, int line) {
    const auto [known, fresh] = names_.emplace(name, line);
    if (!fresh) failAt(line, cat(name, " is an upstream already in line ", known->second));
}

void ConfigParser::checkValue(std::string_view value) const {
    if (value.empty()) fail("a value is missing");
    for (const char c : value) {
        const unsigned char byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) fail("control character in a value");
    }
}

void ConfigParser::setKey(std::string_view key, std::string_view value) {
    const ParamScope scope = inUpstream_ ? ParamScope::kUpstream : ParamScope::kGlobal;
    const Param* param = findParam(scope, key);
    if (!param) {
        const std::string nearest = nearestParam(scope, key);
        fail(cat("unknown key \"", logEscape(key), "\"",
                 nearest.empty() ? "" : cat(" (did you mean ", nearest, "?)")));
    }
    checkValue(value);
    const auto [first, fresh] = seen_.emplace(param->name, line_);
    if (!fresh && !param->repeatable()) {
        fail(cat(param->name, " is set already in line ", first->second));
    }
    UpstreamConfig* upstream = inUpstream_ ? &config_.upstreams.back() : nullptr;
    if (fresh && key == "listen") config_.listen.clear();  // the default
    try {
        param->set({&config_, upstream}, std::string(value));
    } catch (const std::invalid_argument& e) {
        fail(cat(param->name, " = ", logEscape(value), ": ", e.what()));
    }
    if (key == "listen") config_.listen.back().line = line_;
    if (key != "aliases") return;
    for (std::string& alias : upstream->aliases) {
        alias = canonicalRegistry(alias);
        claimName(alias, line_);
    }
}

}  // namespace ociproxy
