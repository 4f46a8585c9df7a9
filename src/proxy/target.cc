#include "proxy/target.h"

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr const char* kDockerHub = "docker.io";

RouteError refuse(int status, ErrorCode code, std::string message) {
    RouteError error;
    error.status = status;
    error.code = code;
    error.message = std::move(message);
    return error;
}

RouteError notAllowed(std::string_view name) {
    return refuse(403, ErrorCode::kDenied,
                  cat("registry ", logEscape(name),
                      " is not among the upstreams of this proxy (allow_upstreams, [upstream])"));
}

struct Split {
    std::string_view first;
    std::string_view rest;
};

Split splitFirst(std::string_view name) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return {name, {}};
    return {name.substr(0, slash), name.substr(slash + 1)};
}

// The upstream and the repository below it, or an error.
struct Choice {
    UpstreamPtr upstream;
    std::string repository;
    RouteError error;
};

Choice chooseByNamespace(const Route& route, const std::string& name,
                         const UpstreamDirectory& directory) {
    Choice choice;
    choice.upstream = directory.find(route.ns);
    if (!choice.upstream) {
        choice.error = notAllowed(route.ns);
        return choice;
    }
    choice.repository = name;
    const Split split = splitFirst(name);
    if (!split.rest.empty() && directory.isUpstreamComponent(split.first)) {
        const UpstreamPtr named = directory.find(split.first);
        if (named && named->name == choice.upstream->name) choice.repository = split.rest;
    }
    return choice;
}

Choice chooseByPath(const std::string& name, const UpstreamDirectory& directory) {
    Choice choice;
    const Split split = splitFirst(name);
    if (!directory.isUpstreamComponent(split.first)) {
        choice.error = isRepository(name)
            ? refuse(404, ErrorCode::kNameUnknown,
                     cat("no registry in front of ", name, ": use <registry>/<repository>"))
            : refuse(400, ErrorCode::kNameInvalid, "invalid repository name");
        return choice;
    }
    choice.upstream = directory.find(split.first);
    if (!choice.upstream) choice.error = notAllowed(split.first);
    choice.repository = split.rest;
    return choice;
}

Sha256 requesterOf(const Upstream& upstream, const std::string& repository) {
    std::string text = "requester";
    for (std::string_view part : {std::string_view(upstream.id), std::string_view(repository),
                                  std::string_view("anonymous")}) {
        text.push_back('\0');
        text.append(part);
    }
    return sha256Of(text);
}

bool namesProxy(const Route& route, const std::string& host) {
    return !route.ns.empty() && equalsIgnoreCase(route.ns, host);
}

Target makeTarget(const Route& route, Choice choice) {
    Target target;
    target.operation = route.operation;
    target.upstream = std::move(choice.upstream);
    if (target.upstream->name == kDockerHub &&
        choice.repository.find('/') == std::string::npos) {
        choice.repository.insert(0, "library/");
    }
    target.where = {target.upstream->name, choice.repository};
    target.reference = route.reference;
    target.nsAsReceived = route.nsAsReceived;
    target.requester = requesterOf(*target.upstream, target.where.repository);
    return target;
}

}  // namespace

std::string Target::upstreamPath(const std::string& text) const {
    return cat("/v2/", where.repository,
               operation == Operation::kManifest ? "/manifests/" : "/blobs/", text);
}

TargetResult chooseTarget(const Route& route, const std::string& host,
                          const UpstreamDirectory& directory) {
    TargetResult result;
    if (route.operation == Operation::kPing) {
        result.target.emplace();
        return result;
    }
    const std::string name = route.prefix.empty() ? route.name : cat(route.prefix, "/", route.name);
    const bool byNamespace = !route.ns.empty() && !namesProxy(route, host);
    Choice choice = byNamespace ? chooseByNamespace(route, name, directory)
                                : chooseByPath(name, directory);
    if (!choice.upstream) {
        result.error = std::move(choice.error);
        return result;
    }
    if (!isRepository(choice.repository)) {
        result.error = refuse(400, ErrorCode::kNameInvalid, "invalid repository name");
        return result;
    }
    result.target = makeTarget(route, std::move(choice));
    return result;
}

}  // namespace ociproxy
