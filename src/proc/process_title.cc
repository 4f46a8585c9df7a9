#include "ociproxy/proc/process_title.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

namespace ociproxy {

namespace {

// environ must stay valid as long as anybody may call getenv(), exit handlers
// included: the copy is never freed. It is held here, because unsetenv() lets go of
// parts of it, which a leak checker would find.
void moveEnvironment() {
    static char** copy = nullptr;
    static char* strings = nullptr;
    std::size_t count = 0;
    std::size_t size = 0;
    for (; environ[count]; ++count) size += std::strlen(environ[count]) + 1;
    copy = new char*[count + 1];
    strings = new char[size];
    char* next = strings;
    for (std::size_t i = 0; i < count; ++i) {
        copy[i] = next;
        next = ::stpcpy(next, environ[i]) + 1;
    }
    copy[count] = nullptr;
    environ = copy;
}

// The end of the unbroken run of strings that begins at `end`.
char* extend(char* end, char** strings) noexcept {
    for (; *strings; ++strings) {
        if (*strings == end) end += std::strlen(end) + 1;
    }
    return end;
}

}  // namespace

ProcessTitle ProcessTitle::over(int argc, char** argv) {
    if (argc < 1) return ProcessTitle(nullptr, 0);
    char* end = extend(extend(argv[0], argv), environ);
    moveEnvironment();
    // The C library shows this in its own messages, and it points into argv.
    static char name[] = "ociproxy";
    program_invocation_name = program_invocation_short_name = name;
    return ProcessTitle(argv[0], static_cast<std::size_t>(end - argv[0]));
}

void ProcessTitle::set(std::string_view title, std::string_view name) noexcept {
    char shortName[16] = {};
    std::copy_n(name.data(), std::min(name.size(), sizeof shortName - 1), shortName);
    ::prctl(PR_SET_NAME, shortName);
    if (size_ == 0) return;
    std::size_t length = std::min(title.size(), size_ - 1);
    std::copy_n(title.data(), length, area_);
    std::fill_n(area_ + length, size_ - length, '\0');
}

}  // namespace ociproxy
