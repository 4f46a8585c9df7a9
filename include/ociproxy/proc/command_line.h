#ifndef OCIPROXY_PROC_COMMAND_LINE_H
#define OCIPROXY_PROC_COMMAND_LINE_H

#include <cstdint>
#include <string>
#include <vector>

namespace ociproxy {

struct Config;

// What the command line asks for. A plain value.
struct CommandLine {
    enum class Action : std::uint8_t {
        kServe,
        kCheck,
        kDump,
        kVersion,
        kHelp,
        kPurge,
        kVerify,
    };
    Action action = Action::kServe;
    std::string configFile;  // as given; empty: not given
    bool daemon = false;
    std::vector<std::string> operands;  // of purge: never empty
    // Of verify.
    bool repair = false;
    bool json = false;
    std::uint64_t rate = 0;  // bytes per second; 0: no limit
};

// Reads the arguments after the program's name. Throws FatalError (EX_USAGE).
CommandLine parseCommandLine(const std::vector<std::string>& arguments);

std::string helpText();

// The configuration of that command line: its file; without one the installed file
// if there is one, else the built-in defaults. Throws FatalError (EX_CONFIG).
Config readConfig(const CommandLine& line);
// For messages: the file's name or "built-in defaults".
std::string configName(const Config& config);

}  // namespace ociproxy

#endif
