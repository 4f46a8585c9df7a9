// ociproxy: an OCI registry proxy with a content-addressed cache on local disk.
#include <cstdio>
#include <exception>
#include <string>

#include "ociproxy/conf/config.h"
#include "ociproxy/proc/command_line.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/process_title.h"
#include "ociproxy/proc/service.h"
#include "ociproxy/proc/signals.h"
#include "ociproxy/proc/store_commands.h"
#include "ociproxy/version.h"

using namespace ociproxy;

namespace {

int print(const std::string& text) {
    bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return written ? EX_OK : EX_IOERR;
}

int run(int argc, char** argv) {
    CommandLine line = parseCommandLine({argv + (argc > 0 ? 1 : 0), argv + argc});
    using Action = CommandLine::Action;
    if (line.action == Action::kHelp) return print(helpText());
    if (line.action == Action::kVersion) return print("ociproxy " OCIPROXY_VERSION "\n");

    // Nothing is touched before all of the configuration is known to be good.
    Config config = readConfig(line);
    if (line.action == Action::kDump) return print(dumpConfig(config));
    if (line.action == Action::kCheck) {
        checkFiles(config);
        return print(configName(config) + ": configuration is valid\n");
    }

    if (line.action == Action::kPurge) return runPurge(line, config);
    if (line.action == Action::kVerify) return runVerify(line, config);

    ProcessTitle title = ProcessTitle::over(argc, argv);
    return runService(line, config, &title);
}

}  // namespace

int main(int argc, char** argv) {
    takeOverSignals();  // first: nothing may have started a thread yet
    try {
        return run(argc, argv);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "ociproxy: %s\n", failureText(failure).c_str());
        return exitStatusOf(failure);
    }
}
