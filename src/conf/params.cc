#include "conf/params.h"

#include <algorithm>

#include "conf/values.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

// Levenshtein distance: how many letters apart two names are.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

bool Param::repeatable() const { return endsWith(limits, "; repeatable"); }

const std::vector<Param>& allParams() {
    static const std::vector<Param> params = {
#define PARAM(scope, name, type, limits, defaultText, unit, reloadable, set, print, text)  \
    {ParamScope::scope, #name, type, limits, defaultText, unit, reloadable, set, print, text},
#include "conf/params.inc"
#undef PARAM
    };
    return params;
}

const Param* findParam(ParamScope scope, std::string_view name) {
    for (const Param& param : allParams()) {
        if (param.scope == scope && name == param.name) return &param;
    }
    return nullptr;
}

std::string nearestParam(ParamScope scope, std::string_view name) {
    std::string nearest;
    std::size_t least = name.size() / 2 + 1;
    for (const Param& param : allParams()) {
        const std::size_t apart = distance(name, param.name);
        if (param.scope == scope && apart < least) {
            nearest = param.name;
            least = apart;
        }
    }
    return nearest;
}

}  // namespace ociproxy
