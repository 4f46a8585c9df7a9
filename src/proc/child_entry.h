#ifndef OCIPROXY_SRC_PROC_CHILD_ENTRY_H
#define OCIPROXY_SRC_PROC_CHILD_ENTRY_H

#include <string_view>

#include "ociproxy/proc/master.h"

namespace ociproxy {

// Number of threads of this process; 0 when /proc cannot tell.
unsigned threadCount() noexcept;

// What ps(1) shows of this child: its name and `state`. One thread at a time.
void showTitle(const Heritage& heritage, const Seat& seat, std::string_view state);

// The way of a child from the fork to its body and out of the process: binds its
// life to the master's, lets go of what is the master's alone, takes its name, is
// confined to the files that it needs, runs the body. REQUIRES: just forked, the
// crew's pipes closed.
[[noreturn]] void enterChild(const Heritage& heritage, Seat& seat,
                             const Master::Body& body) noexcept;

}  // namespace ociproxy

#endif
