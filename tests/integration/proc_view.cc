#include "integration/proc_view.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <unistd.h>

#include "integration/temp_root.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

namespace {

// The fields behind the command name of /proc/PID/stat: state, ppid ...
std::string statTail(pid_t pid) {
    const std::string stat = readFile(cat("/proc/", pid, "/stat"));
    const std::size_t end = stat.rfind(')');
    return end == std::string::npos || end + 2 > stat.size() ? std::string() : stat.substr(end + 2);
}

// The port of "0100007F:1F90" or of the IPv4-mapped form; the pair of ports names a
// connection of loopback.
unsigned portField(const std::string& field) {
    unsigned port = 0;
    const std::size_t colon = field.find(':');
    if (colon != std::string::npos) std::sscanf(field.c_str() + colon + 1, "%x", &port);
    return port;
}

// One row of /proc/net/tcp.
struct SocketRow {
    unsigned localPort = 0;
    unsigned remotePort = 0;
    std::string state;       // "01": established
    unsigned unread = 0;     // bytes
    std::uint64_t inode = 0; // 0: not accepted
};

std::vector<SocketRow> socketRows() {
    std::vector<SocketRow> rows;
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        for (const std::string& line : linesOf(readFile(table))) {
            std::istringstream in(line);
            std::string number, local, remote, queues, skipped;
            SocketRow row;
            in >> number >> local >> remote >> row.state >> queues;
            for (int i = 0; i < 4; ++i) in >> skipped;
            in >> row.inode;
            row.localPort = portField(local);
            row.remotePort = portField(remote);
            row.unread = portField(queues);  // "tx:rx", hexadecimal as a port
            rows.push_back(row);
        }
    }
    return rows;
}

// The inode of the socket at the server's end of the connection; 0 if there is none.
std::uint64_t inodeOf(unsigned serverPort, unsigned clientPort) {
    for (const SocketRow& row : socketRows()) {
        if (row.localPort == serverPort && row.remotePort == clientPort) return row.inode;
    }
    return 0;
}

// What the descriptors of the process stand for: "socket:[4711]", a path, ...
std::vector<std::string> openFilesOf(pid_t pid) {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator it(cat("/proc/", pid, "/fd"), error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
        std::error_code gone;
        names.push_back(fs::read_symlink(it->path(), gone).string());
    }
    return names;
}

bool holds(pid_t pid, const std::string& socketName) {
    const std::vector<std::string> names = openFilesOf(pid);
    return std::find(names.begin(), names.end(), socketName) != names.end();
}

}  // namespace

std::vector<pid_t> childrenOf(pid_t pid) {
    std::istringstream in(readFile(cat("/proc/", pid, "/task/", pid, "/children")));
    std::vector<pid_t> children;
    for (pid_t child = 0; in >> child;) children.push_back(child);
    return children;
}

std::string titleOf(pid_t pid) {
    std::string title = readFile(cat("/proc/", pid, "/cmdline"));
    return title.substr(0, title.find('\0'));
}

double cpuSecondsOf(pid_t pid) {
    constexpr int kUserTime = 11;
    std::istringstream fields(statTail(pid));
    std::string skipped;
    for (int i = 0; i < kUserTime; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

bool isGone(pid_t pid) {
    const std::string tail = statTail(pid);
    return tail.empty() || tail[0] == 'Z' || tail[0] == 'X';
}

pid_t ownerOfConnection(const std::vector<pid_t>& candidates, std::uint16_t serverPort,
                        std::uint16_t clientPort) {
    const std::uint64_t inode = inodeOf(serverPort, clientPort);
    if (inode == 0) return 0;
    const std::string name = cat("socket:[", inode, "]");
    for (pid_t candidate : candidates) {
        if (holds(candidate, name)) return candidate;
    }
    return 0;
}

std::size_t socketsOf(pid_t pid) {
    std::size_t count = 0;
    for (const std::string& name : openFilesOf(pid)) count += startsWith(name, "socket:");
    return count;
}

std::uint16_t listeningPortOf(pid_t pid) {
    for (const SocketRow& row : socketRows()) {
        const bool listens = row.state == "0A";
        if (listens && row.inode != 0 && holds(pid, cat("socket:[", row.inode, "]"))) {
            return static_cast<std::uint16_t>(row.localPort);
        }
    }
    return 0;
}

std::size_t connectionsRead(std::uint16_t serverPort) {
    std::size_t count = 0;
    for (const SocketRow& row : socketRows()) {
        const bool ours = row.localPort == serverPort && row.state == "01" && row.inode != 0;
        if (ours && row.unread == 0) ++count;
    }
    return count;
}

}  // namespace ociproxy::itest
