// Reading and printing the values of parameters. The setters throw
// std::invalid_argument saying what a valid value looks like.
#ifndef OCIPROXY_SRC_CONF_VALUES_H
#define OCIPROXY_SRC_CONF_VALUES_H

#include <string>
#include <vector>

#include "conf/params.h"

namespace ociproxy {

#define PARAM(scope, name, type, limits, defaultText, unit, reloadable, set, print, text) \
    void set(const ParamTarget& target, const std::string& value);                        \
    std::vector<std::string> print(const ParamTarget& target);
#include "conf/params.inc"
#undef PARAM

}  // namespace ociproxy

#endif
