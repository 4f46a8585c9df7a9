// Who the proxy is and what it may still do: from root, or whoever starts it, to a
// process that can neither come back nor become anybody else.
//
// Not synchronized: a process with one thread. Nothing here is for the children but
// dropCapabilities(); they inherit the rest.
#ifndef OCIPROXY_PROC_PRIVILEGES_H
#define OCIPROXY_PROC_PRIVILEGES_H

#include <string>
#include <sys/types.h>

namespace ociproxy {

class Log;

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;

    std::string text() const;  // "user nobody, group nogroup"
};

// That of this process, in effect.
Identity ownIdentity() noexcept;

// Whom `user` and `group` of the configuration (empty: auto) mean for a process that
// `starter` has started. Throws FatalError that says what to do: EX_NOPERM when the
// starter is not root and cannot become that, EX_CONFIG when there is no such account.
Identity chooseIdentity(const std::string& user, const std::string& group,
                        const Identity& starter);

// The first step of a service: umask 077, as many descriptors as the hard limit allows,
// no core file (the soft limit only: prlimit(1) may allow one). A failure leaves the
// old limit.
void limitProcess() noexcept;

// Becomes `identity` for good. Of the capabilities only CAP_NET_BIND_SERVICE stays, if
// it was there, permitted and in effect: for listeners that a reload adds. Whether
// there is a way back is tried out. Nothing of this for `identity` root, which keeps
// all that it has. Then, for everybody, NO_NEW_PRIVS and not dumpable: /proc/PID
// belongs to root, no debugger of the same user, no core file. (With a sanitizer
// dumpable: its search for leaks is a debugger.)
// Throws FatalError EX_OSERR; then the process must end, for it may be half-way.
void assumeIdentity(const Identity& identity);

// For a child: without the last capability. Root's stay.
void dropCapabilities() noexcept;

// Throws FatalError EX_CONFIG if we are root and `file` lies in the directory of
// somebody else, who could have put a link there. `key` names it in the message.
// "stderr" and "off", which are no files, are fine.
void requireOwnDirectory(const std::string& key, const std::string& file);

// One line on who we are now; a warning if that is root.
void logIdentity(Log& log, const Identity& identity);

}  // namespace ociproxy

#endif
