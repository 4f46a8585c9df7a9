#ifndef OCIPROXY_SRC_CONF_PARSER_H
#define OCIPROXY_SRC_CONF_PARSER_H

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "conf/params.h"

namespace ociproxy {

// Reads one configuration text. Grammar, line by line: empty; `#` comment at the
// beginning or after white space; `[upstream NAME]`; `key = value`. One use.
class ConfigParser {
public:
    ConfigParser(std::string_view text, std::string file);

    // Throws ConfigError.
    Config parse();

private:
    void parseLine(std::string_view line);
    void openSection(std::string_view header);
    void setKey(std::string_view key, std::string_view value);
    void closeSection();
    void checkListeners() const;
    void claimName(const std::string& name, int line);
    void checkValue(std::string_view value) const;
    [[noreturn]] void fail(const std::string& message) const { failAt(line_, message); }
    [[noreturn]] void failAt(int line, const std::string& message) const;

    std::string_view text_;
    std::string file_;
    int line_ = 0;
    Config config_;
    bool inUpstream_ = false;
    std::map<std::string, int> seen_;   // keys of the present section, by line
    std::map<std::string, int> names_;  // names and aliases of upstreams, by line
};

}  // namespace ociproxy

#endif
