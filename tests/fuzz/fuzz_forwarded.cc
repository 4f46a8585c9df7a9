// Forwarded and X-Forwarded-For: a line that says which, then a field a line.
#include "front/forwarded.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"

namespace ociproxy::fuzz {
namespace {

bool isTrusted(const std::vector<Network>& trusted, const IpAddress& address) {
    for (const Network& network : trusted) {
        if (network.contains(address)) return true;
    }
    return false;
}

}  // namespace

FUZZ_TARGET(forwarded) {
    const std::vector<Network> trusted{*Network::parse("10.0.0.0/8"), *Network::parse("fc00::/7")};
    const std::string_view name = takeLine(&input) == "x" ? "X-Forwarded-For" : "Forwarded";
    Headers headers;
    bool printable = true;
    while (!input.empty()) {
        const std::string_view value = takeLine(&input);
        printable = printable && isFieldText(value);
        headers.add(name, value);
    }
    if (!printable) return;  // the parser of heads lets no such field through
    const std::optional<ForwardedClient> client = forwardedClient(headers, trusted);
    if (!client) return;
    FUZZ_CHECK(isPrintable(client->text()));
    // What is written behind it by a proxy that we trust changes nothing ...
    Headers longer = headers;
    longer.add(name, name == "Forwarded" ? "for=10.1.2.3" : "10.1.2.3");
    const std::optional<ForwardedClient> same = forwardedClient(longer, trusted);
    FUZZ_CHECK(same && same->address.text() == client->address.text() &&
               same->port == client->port);
    // ... and whoever is not trusted is the client, whatever stands before.
    longer.add(name, name == "Forwarded" ? "for=192.0.2.7" : "192.0.2.7");
    const std::optional<ForwardedClient> last = forwardedClient(longer, trusted);
    FUZZ_CHECK(last && last->address.text() == "192.0.2.7");
    FUZZ_CHECK(!isTrusted(trusted, last->address));
}

}  // namespace ociproxy::fuzz
