// The configuration as text: -T and the sample.
#include "conf/params.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kSampleWidth = 76;

void dumpScope(ParamScope scope, const ParamTarget& target, std::string* out) {
    for (const Param& param : allParams()) {
        if (param.scope != scope) continue;
        for (const std::string& value : param.print(target)) {
            *out += cat(param.name, " = ", value, "\n");
        }
    }
}

// `text` in lines of at most kSampleWidth behind "# ".
std::string commentOf(std::string_view text) {
    std::string out;
    std::string line;
    for (std::string_view word : words(text)) {
        if (!line.empty() && line.size() + 1 + word.size() > kSampleWidth) {
            out += cat("# ", line, "\n");
            line.clear();
        }
        line += cat(line.empty() ? "" : " ", word);
    }
    return out + cat("# ", line, "\n");
}

void sampleScope(ParamScope scope, std::string* out) {
    for (const Param& param : allParams()) {
        if (param.scope != scope) continue;
        const std::string unit = param.unit[0] ? cat(", in ", param.unit) : "";
        const std::string when = param.reloadable ? "" : "; a change needs a restart";
        *out += cat("\n", commentOf(param.text),
                    commentOf(cat("(", param.type, unit, ": ", param.limits, when, ")")));
        const std::string value = param.defaultText[0] ? cat(" ", param.defaultText) : "";
        *out += cat("#", param.name, " =", value, "\n");
    }
}

}  // namespace

std::string dumpConfig(const Config& config) {
    Config copy = config;
    std::string out;
    dumpScope(ParamScope::kGlobal, {&copy, nullptr}, &out);
    for (UpstreamConfig& upstream : copy.upstreams) {
        out += cat("\n[upstream ", upstream.name, "]\n");
        dumpScope(ParamScope::kUpstream, {&copy, &upstream}, &out);
    }
    return out;
}

std::string sampleConfig() {
    std::string out =
        "# Configuration of ociproxy. \"ociproxy -t\" checks it, \"ociproxy -T\" prints what\n"
        "# is in effect. Lines read key = value; # begins a comment at the beginning of a\n"
        "# line or after white space. What is commented out shows the default.\n";
    sampleScope(ParamScope::kGlobal, &out);
    out +=
        "\n# One section for each registry that needs more than its name. NAME is what\n"
        "# clients use in the path or as ?ns=, and may carry a port.\n"
        "#[upstream registry.example.com]\n";
    sampleScope(ParamScope::kUpstream, &out);
    return out;
}

}  // namespace ociproxy
