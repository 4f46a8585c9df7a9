// Users and groups of this machine, as its name service knows them.
#ifndef OCIPROXY_BASE_ACCOUNT_H
#define OCIPROXY_BASE_ACCOUNT_H

#include <optional>
#include <string>
#include <sys/types.h>

namespace ociproxy {

struct UserAccount {
    std::string name;             // the number where it has no name
    uid_t uid = 0;
    std::optional<gid_t> group;   // the primary one; none where the number has no account
};

struct GroupAccount {
    std::string name;  // the number where it has no name
    gid_t gid = 0;
};

// By name or, if nobody has that name, by decimal number; a number needs no account.
// nullopt if there is none. Throws SysError if the name service fails. Any thread;
// not between fork and exec of a process with threads.
std::optional<UserAccount> findUser(const std::string& text);
std::optional<GroupAccount> findGroup(const std::string& text);

// For messages: the name, or the number where there is none or it cannot be had.
std::string userName(uid_t uid);
std::string groupName(gid_t gid);

}  // namespace ociproxy

#endif
