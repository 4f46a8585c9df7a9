#include "integration/temp_root.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr std::uint64_t kRoomWanted = 512ull << 20;

bool hasRoom(const char* directory) {
    struct statvfs status {};
    return ::access(directory, W_OK) == 0 && ::statvfs(directory, &status) == 0 &&
           std::uint64_t{status.f_bavail} * status.f_frsize >= kRoomWanted;
}

std::string baseFor(TempRoot::Place place) {
    const char* chosen = std::getenv("TMPDIR");
    if (chosen != nullptr && *chosen != '\0') return chosen;
    const char* memory = "/dev/shm";
    return place == TempRoot::Place::kMemory && hasRoom(memory) ? memory : "/tmp";
}

}  // namespace

TempRoot::TempRoot(Place place) : path_(baseFor(place) + "/ociproxy-test.XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throwErrno(cat("mkdtemp ", path_));
}

TempRoot::~TempRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string readFile(const std::string& path) {
    // Not a stream: those throw when a process ends while its /proc file is read.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char piece[16 * 1024];
    ssize_t got = 0;
    while (file && (got = ::read(file.get(), piece, sizeof piece)) > 0) {
        text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
}

void writeFile(const std::string& path, const std::string& text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) throw Error(cat("cannot write ", path));
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

}  // namespace ociproxy::itest
