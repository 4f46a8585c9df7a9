// From a request target to what is asked of which upstream: lines with method, target and
// the request's Host.
#include "front/request_target.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "proxy/target.h"
#include "upstream/url.h"

namespace ociproxy::fuzz {
namespace {

Upstream configured(const std::string& name, std::vector<std::string> aliases) {
    Upstream upstream;
    upstream.name = name;
    upstream.origins.push_back({false, "127.0.0.1", 5000});
    upstream.aliases = std::move(aliases);
    upstream.configured = true;
    upstream.computeId();
    return upstream;
}

const UpstreamDirectory& directory() {
    static const UpstreamDirectory known({configured("up.test", {"up"}),
                                          configured("up.test:5000", {})},
                                         {"docker.io", "*.pkg.dev"});
    return known;
}

bool isAllowed(const std::string& upstream) {
    return upstream == "up.test" || upstream == "up.test:5000" || upstream == "docker.io" ||
           endsWith(upstream, ".pkg.dev");
}

const char* wordOf(Operation operation) {
    switch (operation) {
    case Operation::kBlob: return "/blobs/";
    case Operation::kManifest: return "/manifests/";
    case Operation::kReferrers: return "/referrers/";
    case Operation::kUpload: return "/blobs/uploads/";
    case Operation::kTags: return "/tags/list";
    default: return "";
    }
}

std::string written(const Route& route) {
    std::string path = cat(route.prefix.empty() ? "" : "/", route.prefix, "/v2/");
    if (route.operation != Operation::kPing) {
        path += cat(route.name, wordOf(route.operation),
                    route.reference ? route.reference->text() : route.session);
    }
    if (!route.query.empty()) path += cat("?", route.query);
    if (route.ns.empty()) return path;
    return cat(path, route.query.empty() ? "?" : "&", "ns=", percentEncode(route.nsAsReceived));
}

void checkSame(const Route& a, const Route& b) {
    FUZZ_CHECK(a.operation == b.operation && a.name == b.name && a.prefix == b.prefix);
    FUZZ_CHECK(a.session == b.session && a.ns == b.ns && a.nsAsReceived == b.nsAsReceived);
    FUZZ_CHECK(a.query == b.query && a.reference.has_value() == b.reference.has_value());
    if (a.reference) FUZZ_CHECK(a.reference->text() == b.reference->text());
}

void checkName(const Route& route) {
    for (std::string_view part : split(route.name, '/')) {
        FUZZ_CHECK(!part.empty() && part != "." && part != ".." && part[0] != '_');
        FUZZ_CHECK(part.find_first_of("%?#\\") == std::string_view::npos && isPrintable(part));
    }
}

void checkReference(const Route& route) {
    const bool digestOnly =
        route.operation == Operation::kBlob || route.operation == Operation::kReferrers;
    FUZZ_CHECK(!digestOnly || (route.reference && route.reference->isDigest()));
    FUZZ_CHECK(route.operation != Operation::kManifest || route.reference);
    if (!route.reference || route.reference->isDigest()) return;
    FUZZ_CHECK(isTag(route.reference->tagName()));
}

void checkRoute(const Route& route) {
    if (route.operation == Operation::kPing) {
        FUZZ_CHECK(route.name.empty() && !route.reference);
    } else {
        checkName(route);
    }
    checkReference(route);
    if (!route.ns.empty()) {
        const std::optional<HostPort> ns = parseHostPort(route.ns);
        FUZZ_CHECK(ns && ns->text() == route.ns && isPrintable(route.nsAsReceived));
    }
    const RouteResult again = parseRoute(written(route));
    FUZZ_CHECK(again.route.has_value());
    checkSame(route, *again.route);
}

void checkError(const RouteError& error) {
    FUZZ_CHECK(error.status >= 400 && error.status < 500 && isPrintable(error.message));
}

// What goes to the upstream is the path that it was checked to be.
void checkTarget(const Target& target) {
    if (target.operation == Operation::kPing) return;
    FUZZ_CHECK(target.upstream != nullptr && isAllowed(target.upstream->name));
    FUZZ_CHECK(isRepository(target.where.repository));
    FUZZ_CHECK(target.where.upstream == target.upstream->name);
    if (!target.reference) return;
    const std::string path = target.upstreamPath(target.reference->text());
    FUZZ_CHECK(isRequestTarget(path));
    const RouteResult seen = parseRoute(path);
    if (target.operation != Operation::kBlob && target.operation != Operation::kManifest) return;
    FUZZ_CHECK(seen.route && seen.route->name == target.where.repository);
    FUZZ_CHECK(seen.route->operation == target.operation);
    FUZZ_CHECK(seen.route->reference->text() == target.reference->text());
}

}  // namespace

FUZZ_TARGET(route) {
    const std::string_view method = takeLine(&input);
    const std::string_view text = takeLine(&input);
    const std::string host(takeLine(&input));
    // What the front lets through or not, a route is right or refused.
    const RouteResult direct = parseRoute(text);
    if (direct.route) checkRoute(*direct.route);
    else checkError(direct.error);

    const std::optional<RequestTarget> parsed = parseTarget(method, text);
    if (!parsed) return;
    FUZZ_CHECK(parsed->authority.empty() || isAuthority(parsed->authority));
    const std::optional<RequestTarget> again = parseTarget(method, parsed->target);
    FUZZ_CHECK(again && again->target == parsed->target && again->authority.empty());

    const RouteResult result = parseRoute(parsed->target);
    if (!result.route) return checkError(result.error);
    const TargetResult chosen = chooseTarget(*result.route, host, directory());
    if (!chosen.target) return checkError(chosen.error);
    checkTarget(*chosen.target);
}

}  // namespace ociproxy::fuzz
