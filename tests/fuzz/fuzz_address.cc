// Addresses, networks, hosts and ports.
#include "fuzz/targets.h"
#include "ociproxy/base/address.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"

namespace ociproxy::fuzz {
namespace {

void checkAddress(std::string_view text) {
    const std::optional<IpAddress> address = IpAddress::parse(text);
    if (!address) return;
    FUZZ_CHECK(IpAddress::parse(address->text()) == address);
    // Mapped, an address is the same address, and as public as that.
    const std::optional<IpAddress> mapped = IpAddress::parse(cat("::ffff:", address->text()));
    FUZZ_CHECK(!address->isV4() || mapped == address);
    const std::optional<Network> alone = Network::parse(address->text());
    FUZZ_CHECK(alone && alone->contains(*address));
    // No name for it is dialled without being configured.
    FUZZ_CHECK(!isPublicHostName(text));
    if (isPublicAddress(*address)) FUZZ_CHECK(!Network::parse("10.0.0.0/8")->contains(*address));
}

void checkNetwork(std::string_view text) {
    const std::optional<Network> network = Network::parse(text);
    if (!network) return;
    const std::optional<Network> again = Network::parse(network->text());
    FUZZ_CHECK(again && again->text() == network->text());
    const std::string base = network->text().substr(0, network->text().find('/'));
    FUZZ_CHECK(network->contains(*IpAddress::parse(base)));
    // Nothing is in networks of both families.
    FUZZ_CHECK(!(network->contains(*IpAddress::parse("127.0.0.1")) &&
                 network->contains(*IpAddress::parse("::1"))));
}

void checkHost(std::string_view text) {
    const std::optional<HostPort> host = parseHostPort(text);
    const std::string canonical = canonicalRegistry(text);
    FUZZ_CHECK(canonicalRegistry(lower(text)) == canonical);
    if (!host) return;
    FUZZ_CHECK(host->host == lower(host->host) && isPrintable(host->host));
    FUZZ_CHECK(host->host.find_first_of(" /@%?#") == std::string::npos);
    FUZZ_CHECK(parseHostPort(host->text()) == host);
    FUZZ_CHECK(parseHostPort(canonical).has_value());
}

void checkNames(std::string_view text) {
    ReferenceError error = ReferenceError::kTagInvalid;
    const std::optional<Reference> reference = parseReference(text, &error);
    if (reference) {
        FUZZ_CHECK(reference->text() == text);
        FUZZ_CHECK(reference->isDigest() == (text.find(':') != std::string_view::npos));
        FUZZ_CHECK(isPrintable(text) && text.find('/') == std::string_view::npos);
    }
    if (!isRepository(text)) return;
    FUZZ_CHECK(text == lower(text) && text.size() <= kMaxRepository);
    for (std::string_view part : split(text, '/')) FUZZ_CHECK(isRepositoryComponent(part));
    FUZZ_CHECK(text.find("..") == std::string_view::npos && isPrintable(text));
}

}  // namespace

FUZZ_TARGET(address) {
    checkAddress(input);
    checkNetwork(input);
    checkHost(input);
    checkNames(input);
}

}  // namespace ociproxy::fuzz
