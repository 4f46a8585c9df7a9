#ifndef OCIPROXY_SRC_CONF_PARAMS_H
#define OCIPROXY_SRC_CONF_PARAMS_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/conf/config.h"

namespace ociproxy {

enum class ParamScope : std::uint8_t { kGlobal, kUpstream };

// Where a value is read to or printed from; `upstream` for keys of a section.
struct ParamTarget {
    Config* config = nullptr;
    UpstreamConfig* upstream = nullptr;
};

// One row of params.inc.
struct Param {
    ParamScope scope;
    const char* name;
    const char* type;
    const char* limits;
    const char* defaultText;
    const char* unit;
    bool reloadable;
    void (*set)(const ParamTarget&, const std::string&);
    std::vector<std::string> (*print)(const ParamTarget&);
    const char* text;

    bool repeatable() const;
};

const std::vector<Param>& allParams();
// nullptr if there is none of that name in that scope.
const Param* findParam(ParamScope scope, std::string_view name);
// The known name of that scope that is most like `name`; empty if none is.
std::string nearestParam(ParamScope scope, std::string_view name);

}  // namespace ociproxy

#endif
