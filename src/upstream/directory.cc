// UpstreamDirectory of ociproxy/upstream/settings.h.
#include <algorithm>
#include <utility>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"
#include "ociproxy/upstream/settings.h"

namespace ociproxy {

namespace {

// "*.suffix" needs at least one label before the suffix; "*" admits any name.
bool matchesPattern(const std::string& pattern, const std::string& name) {
    if (pattern == "*") return true;
    if (!startsWith(pattern, "*.")) return pattern == name;
    const std::string_view suffix = std::string_view(pattern).substr(1);
    return name.size() > suffix.size() && endsWith(name, suffix);
}

// Docker Hub answers at a host that is not its name.
std::string dialledHost(const std::string& name) {
    return name == "docker.io" ? "registry-1.docker.io" : name;
}

UpstreamPtr upstreamOfName(const std::string& name) {
    std::shared_ptr<Upstream> upstream = std::make_shared<Upstream>();
    upstream->name = name;
    upstream->origins.push_back(Origin{true, dialledHost(name), 443});
    upstream->computeId();
    return upstream;
}

std::string canonicalPattern(const std::string& pattern) {
    return startsWith(pattern, "*") ? lower(pattern) : canonicalRegistry(pattern);
}

}  // namespace

UpstreamDirectory::UpstreamDirectory(std::vector<Upstream> configured,
                                     std::vector<std::string> allow) {
    for (Upstream& upstream : configured) {
        upstream.name = canonicalRegistry(upstream.name);
        upstream.computeId();
        configured_.push_back(std::make_shared<const Upstream>(std::move(upstream)));
    }
    for (const std::string& pattern : allow) allow_.push_back(canonicalPattern(pattern));
}

UpstreamPtr UpstreamDirectory::findConfigured(std::string_view name,
                                              const std::string& canonical) const {
    for (const UpstreamPtr& upstream : configured_) {
        if (upstream->name == canonical) return upstream;
    }
    for (const UpstreamPtr& upstream : configured_) {
        const std::vector<std::string>& aliases = upstream->aliases;
        if (std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return upstream;
    }
    return nullptr;
}

UpstreamPtr UpstreamDirectory::find(std::string_view name) const {
    const std::string canonical = canonicalRegistry(name);
    if (UpstreamPtr upstream = findConfigured(name, canonical)) return upstream;
    // A port, an IP literal and an inet_aton form are no public host names.
    if (!isPublicHostName(canonical)) return nullptr;
    const bool allowed = std::any_of(allow_.begin(), allow_.end(), [&](const std::string& p) {
        return matchesPattern(p, canonical);
    });
    return allowed ? upstreamOfName(canonical) : nullptr;
}

bool UpstreamDirectory::isUpstreamComponent(std::string_view component) const {
    return isHostLike(component) ||
           findConfigured(component, canonicalRegistry(component)) != nullptr;
}

}  // namespace ociproxy
