#include "ociproxy/base/account.h"

#include <cerrno>
#include <grp.h>
#include <pwd.h>
#include <utility>
#include <vector>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kFirstBuffer = 4096;
constexpr std::size_t kLastBuffer = 1024 * 1024;  // of a group with very many members
constexpr std::uint64_t kNobodysNumber = 0xffffffff;  // "leave it" to the system calls

// What the functions of the C library say when there is no such entry differs.
bool meansAbsent(int code) noexcept {
    return code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
}

// Calls `get(entry, buffer, size, result)`, one of getpwnam_r(3) and its kin, with a
// buffer that is large enough, and gives what `make` makes of the entry.
template <class Entry, class Get, class Make>
auto lookUp(const std::string& what, Get get, Make make)
    -> std::optional<decltype(make(std::declval<const Entry&>()))> {
    std::vector<char> buffer(kFirstBuffer);
    for (;;) {
        Entry entry = {};
        Entry* found = nullptr;
        const int code = get(&entry, buffer.data(), buffer.size(), &found);
        if (found) return make(*found);
        if (code == ERANGE && buffer.size() < kLastBuffer) {
            buffer.resize(buffer.size() * 4);
        } else if (code != EINTR) {
            if (meansAbsent(code)) return std::nullopt;
            throwErrno("look up " + what, code);
        }
    }
}

UserAccount fromEntry(const passwd& entry) {
    return UserAccount{entry.pw_name, entry.pw_uid, entry.pw_gid};
}

GroupAccount fromEntry(const group& entry) {
    return GroupAccount{entry.gr_name, entry.gr_gid};
}

std::optional<UserAccount> userOf(uid_t uid) {
    return lookUp<passwd>(
        cat("user ", uid), [uid](auto... rest) { return ::getpwuid_r(uid, rest...); },
        [](const passwd& entry) { return fromEntry(entry); });
}

std::optional<GroupAccount> groupOf(gid_t gid) {
    return lookUp<group>(
        cat("group ", gid), [gid](auto... rest) { return ::getgrgid_r(gid, rest...); },
        [](const group& entry) { return fromEntry(entry); });
}

std::optional<id_t> number(const std::string& text) {
    const std::optional<std::uint64_t> value = parseUnsigned(text);
    if (!value || *value >= kNobodysNumber) return std::nullopt;
    return static_cast<id_t>(*value);
}

}  // namespace

std::optional<UserAccount> findUser(const std::string& text) {
    std::optional<UserAccount> named = lookUp<passwd>(
        "user " + text,
        [&text](auto... rest) { return ::getpwnam_r(text.c_str(), rest...); },
        [](const passwd& entry) { return fromEntry(entry); });
    if (named) return named;
    const std::optional<id_t> uid = number(text);
    if (!uid) return std::nullopt;
    std::optional<UserAccount> known = userOf(*uid);
    return known ? known : UserAccount{std::to_string(*uid), *uid, std::nullopt};
}

std::optional<GroupAccount> findGroup(const std::string& text) {
    std::optional<GroupAccount> named = lookUp<group>(
        "group " + text,
        [&text](auto... rest) { return ::getgrnam_r(text.c_str(), rest...); },
        [](const group& entry) { return fromEntry(entry); });
    if (named) return named;
    const std::optional<id_t> gid = number(text);
    if (!gid) return std::nullopt;
    std::optional<GroupAccount> known = groupOf(*gid);
    return known ? known : GroupAccount{std::to_string(*gid), *gid};
}

std::string userName(uid_t uid) {
    try {
        if (std::optional<UserAccount> known = userOf(uid)) return known->name;
    } catch (const SysError&) {
        // The number says it too.
    }
    return std::to_string(uid);
}

std::string groupName(gid_t gid) {
    try {
        if (std::optional<GroupAccount> known = groupOf(gid)) return known->name;
    } catch (const SysError&) {
        // As above.
    }
    return std::to_string(gid);
}

}  // namespace ociproxy
