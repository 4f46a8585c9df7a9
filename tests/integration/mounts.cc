#include "integration/mounts.h"

#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include "integration/spawn.h"
#include "integration/temp_root.h"
#include "ociproxy/base/text.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

bool runs(const std::vector<std::string>& command) {
    const TempRoot root;
    const pid_t pid = spawn(command, root.file("out"), root.file("err"));
    int status = 0;
    ::waitpid(pid, &status, 0);
    return exitStatus(status) == 0;
}

void mountOrSkip(const std::vector<std::string>& command) {
    if (::geteuid() != 0) skipTest("only root mounts");
    if (!runs(command)) skipTest(cat("not permitted or not there: ", command[0], " ... ",
                                     command.back()));
}

}  // namespace

Mount Mount::memory(const std::string& directory, const std::string& options) {
    std::filesystem::create_directories(directory);
    mountOrSkip({"/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", directory});
    return Mount(directory);
}

Mount Mount::image(const std::string& directory, const std::string& image,
                   const std::string& size) {
    std::filesystem::create_directories(directory);
    mountOrSkip({"/usr/bin/truncate", "-s", size, image});
    mountOrSkip({"/sbin/mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", image});
    mountOrSkip({"/bin/mount", "-o", "loop", image, directory});
    return Mount(directory);
}

Mount::Mount(Mount&& other) noexcept : directory_(std::move(other.directory_)) {
    other.directory_.clear();
}

Mount::~Mount() {
    if (!directory_.empty()) runs({"/bin/umount", "-l", directory_});
}

bool Mount::remount(const std::string& options) {
    return runs({"/bin/mount", "-o", cat("remount,", options), directory_});
}

}  // namespace ociproxy::itest
