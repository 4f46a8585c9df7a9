#include "ociproxy/proc/command_line.h"

#include <cerrno>
#include <optional>
#include <sstream>
#include <unistd.h>

#include <Poco/Exception.h>
#include <Poco/Util/HelpFormatter.h>
#include <Poco/Util/Option.h>
#include <Poco/Util/OptionException.h>
#include <Poco/Util/OptionProcessor.h>
#include <Poco/Util/OptionSet.h>

#include "ociproxy/base/paths.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"

namespace ociproxy {

namespace {

using Poco::Util::Option;
using Poco::Util::OptionSet;

struct ActionOption {
    const char* name;
    const char* letter;
    const char* description;
    CommandLine::Action action;
};

const ActionOption kActions[] = {
    {"check", "t", "check the configuration and exit", CommandLine::Action::kCheck},
    {"dump", "T", "print the effective configuration and exit", CommandLine::Action::kDump},
    {"version", "", "print the version and exit", CommandLine::Action::kVersion},
    {"help", "", "print this help and exit", CommandLine::Action::kHelp},
};

// Words that come before their operands.
struct Command {
    const char* name;
    CommandLine::Action action;
};

const Command kCommands[] = {
    {"purge", CommandLine::Action::kPurge},
    {"verify", CommandLine::Action::kVerify},
};

OptionSet options() {
    OptionSet set;
    set.addOption(Option("config", "c", "read the configuration from FILE").argument("FILE"));
    set.addOption(Option("daemon", "d", "serve in the background; returns when it does"));
    for (const ActionOption& row : kActions) {
        set.addOption(Option(row.name, row.letter, row.description).group("action"));
    }
    set.addOption(Option("repair", "", "verify: take what is damaged out of the cache"));
    set.addOption(Option("rate", "", "verify: read at most SIZE bytes per second, such as 50M")
                      .argument("SIZE"));
    set.addOption(Option("json", "", "verify: end with one JSON object instead of a line"));
    return set;
}

std::uint64_t rateFrom(const std::string& text) {
    const std::optional<std::uint64_t> rate = parseSize(text);
    if (!rate || *rate == 0) throw Error("--rate wants a size, such as 50M");
    return *rate;
}

void apply(CommandLine& line, const std::string& option, const std::string& argument) {
    if (option == "config") {
        if (argument.empty()) throw Error("the name of the configuration file is empty");
        line.configFile = argument;
    }
    if (option == "daemon") line.daemon = true;
    if (option == "repair") line.repair = true;
    if (option == "json") line.json = true;
    if (option == "rate") line.rate = rateFrom(argument);
    for (const ActionOption& row : kActions) {
        if (option != row.name) continue;
        if (line.action != CommandLine::Action::kServe) {
            throw Error(cat("--", option, " is no option of a command"));
        }
        line.action = row.action;
    }
}

void applyWord(CommandLine& line, const std::string& word) {
    if (line.action == CommandLine::Action::kPurge) {
        line.operands.push_back(word);
        return;
    }
    for (const Command& command : kCommands) {
        if (word != command.name || line.action != CommandLine::Action::kServe) continue;
        line.action = command.action;
        return;
    }
    throw Error(cat("unexpected argument: ", word));
}

// What options of other actions were given is a mistake, not to be passed over.
void requireFitting(const CommandLine& line) {
    const bool verify = line.action == CommandLine::Action::kVerify;
    const bool purge = line.action == CommandLine::Action::kPurge;
    if (!verify && (line.repair || line.json || line.rate > 0)) {
        throw Error("--repair, --rate and --json belong to verify");
    }
    if ((verify || purge) && line.daemon) throw Error("--daemon is for serving");
    if (purge && line.operands.empty()) throw Error("purge: which REFERENCE or DIGEST?");
}

CommandLine parse(const std::vector<std::string>& arguments) {
    CommandLine line;
    OptionSet set = options();
    Poco::Util::OptionProcessor processor(set);
    for (const std::string& argument : arguments) {
        std::string option;
        std::string value;
        if (!processor.process(argument, option, value)) {
            applyWord(line, argument);
            continue;
        }
        // Without a name when the option's argument is still to come.
        if (!option.empty()) apply(line, option, value);
    }
    processor.checkRequired();  // an argument still to come never came
    requireFitting(line);
    return line;
}

// An installed file that cannot be read is a failure, not a reason for defaults.
bool isThere(const char* file) noexcept {
    return ::access(file, F_OK) == 0 || errno != ENOENT;
}

[[noreturn]] void failUsage(const std::string& reason) {
    throw FatalError(EX_USAGE, cat(reason, " (see ociproxy --help)"));
}

}  // namespace

CommandLine parseCommandLine(const std::vector<std::string>& arguments) {
    try {
        return parse(arguments);
    } catch (const Poco::Exception& e) {
        failUsage(e.displayText());
    } catch (const Error& e) {
        failUsage(e.what());
    }
}

std::string helpText() {
    OptionSet set = options();
    Poco::Util::HelpFormatter formatter(set);
    formatter.setCommand("ociproxy");
    formatter.setUsage("[-c FILE] [--daemon | -t | -T] [--version] [--help]\n"
                       "ociproxy purge [-c FILE] REFERENCE|DIGEST ...\n"
                       "ociproxy verify [-c FILE] [--repair] [--rate=SIZE] [--json]");
    formatter.setHeader("OCI registry proxy with a content-addressed cache on local disk.");
    formatter.setFooter(cat("Without -c the configuration is read from ", defaultConfigFile(),
                            " if that is there; otherwise built-in defaults hold."));
    std::ostringstream out;
    formatter.format(out);
    return out.str();
}

Config readConfig(const CommandLine& line) {
    return orFailWith(EX_CONFIG, [&] {
        if (!line.configFile.empty()) return loadConfig(line.configFile);
        return isThere(defaultConfigFile()) ? loadConfig(defaultConfigFile()) : defaultConfig();
    });
}

std::string configName(const Config& config) {
    return config.file.empty() ? "built-in defaults" : config.file;
}

}  // namespace ociproxy
