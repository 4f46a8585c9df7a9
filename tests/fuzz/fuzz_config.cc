// Configuration files: refused with a line number, or printed in a form that means the same.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"

namespace ociproxy::fuzz {
namespace {

void checkSame(const Config& a, const Config& b) {
    FUZZ_CHECK(dumpConfig(a) == dumpConfig(b));
    FUZZ_CHECK(a.listen.size() == b.listen.size() && a.workers == b.workers);
    FUZZ_CHECK(a.allowUpstreams == b.allowUpstreams && a.followAfter == b.followAfter);
    FUZZ_CHECK(a.upstreams.size() == b.upstreams.size());
    for (std::size_t i = 0; i < a.upstreams.size(); ++i) {
        FUZZ_CHECK(a.upstreams[i].name == b.upstreams[i].name);
        FUZZ_CHECK(a.upstreams[i].aliases == b.upstreams[i].aliases);
        FUZZ_CHECK(a.upstreams[i].urls.size() == b.upstreams[i].urls.size());
    }
}

// A message for people: the place, and nothing that a terminal would obey.
void checkMessage(std::string_view message, std::size_t lines) {
    FUZZ_CHECK(startsWith(message, "f.conf:"));
    message.remove_prefix(7);
    const std::optional<std::uint64_t> line = parseUnsigned(message.substr(0, message.find(':')));
    FUZZ_CHECK(line && *line >= 1 && *line <= lines);
    FUZZ_CHECK(isPrintable(message));
}

}  // namespace

FUZZ_TARGET(config) {
    try {
        const Config config = parseConfig(std::string(input), "f.conf");
        FUZZ_CHECK(!config.listen.empty() && config.workerCount() >= 1);
        const Config again = parseConfig(dumpConfig(config), "f.conf");
        checkSame(config, again);
        Config kept = defaultConfig();
        keepFixedParams(config, &kept);
        FUZZ_CHECK(kept.cacheDir == config.cacheDir);
    } catch (const ConfigError& e) {
        checkMessage(e.what(), split(input, '\n').size());
    }
}

}  // namespace ociproxy::fuzz
