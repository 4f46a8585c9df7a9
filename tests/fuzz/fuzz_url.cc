// URLs: a line with a base, and a Location.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "upstream/url.h"

namespace ociproxy::fuzz {
namespace {

void checkUrl(const Url& url) {
    FUZZ_CHECK(isRequestTarget(url.target) && url.target.find('#') == std::string::npos);
    FUZZ_CHECK(!url.origin.host.empty() && url.origin.port != 0);
    FUZZ_CHECK(url.origin.host.find_first_of("@/?# ") == std::string::npos);
    const std::optional<Url> again = parseUrl(url.text());
    FUZZ_CHECK(again && again->origin == url.origin && again->target == url.target);
}

}  // namespace

FUZZ_TARGET(url) {
    const std::optional<Url> base = parseUrl(takeLine(&input));
    if (!base) return;
    checkUrl(*base);
    const std::optional<Url> absolute = parseUrl(input);
    const std::optional<Url> resolved = resolveUrl(*base, input);
    if (absolute) {
        FUZZ_CHECK(resolved && resolved->origin == absolute->origin);
        FUZZ_CHECK(resolved->target == absolute->target);
    }
    if (!resolved) return;
    checkUrl(*resolved);
    // Only a reference with an authority leads elsewhere.
    const bool leaves = input.find("//") != std::string_view::npos;
    FUZZ_CHECK(leaves || resolved->origin == base->origin);
    FUZZ_CHECK(redactUrl(resolved->text()).find('?') == redactUrl(resolved->text()).rfind('?'));
}

}  // namespace ociproxy::fuzz
