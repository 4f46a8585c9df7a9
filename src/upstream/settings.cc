#include "ociproxy/upstream/settings.h"

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kHashDigits = 16;

bool isDefaultPort(const Origin& origin) noexcept {
    return origin.port == (origin.tls ? 443 : 80);
}

// Fields end with NUL, which none of them can contain.
void append(std::string& out, std::string_view field) {
    out.append(field);
    out.push_back('\0');
}

}  // namespace

std::string Origin::authority() const {
    const bool v6 = host.find(':') != std::string::npos;
    std::string out = v6 ? cat('[', host, ']') : host;
    if (!isDefaultPort(*this)) out += cat(':', unsigned{port});
    return out;
}

std::string Origin::text() const {
    return cat(tls ? "https://" : "http://", authority());
}

void Upstream::computeId() {
    std::string settings;
    append(settings, name);
    for (const Origin& origin : origins) append(settings, origin.text());
    append(settings, "aliases");
    for (const std::string& alias : aliases) append(settings, alias);
    append(settings, "publicness");
    append(settings, std::to_string(static_cast<int>(publicness)));
    append(settings, "allow");
    for (const Network& network : allowAddresses) append(settings, network.text());
    append(settings, "ca");
    append(settings, caFile);
    append(settings, configured ? "configured" : "allowed");
    id = cat(name, '#', sha256Hex(settings).substr(0, kHashDigits));
}

}  // namespace ociproxy
