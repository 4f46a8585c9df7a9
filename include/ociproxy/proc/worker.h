#ifndef OCIPROXY_PROC_WORKER_H
#define OCIPROXY_PROC_WORKER_H

namespace ociproxy {

struct Heritage;
struct Seat;

// The body of a worker (Master::Body): builds the modules, tells the master when
// connections are accepted, then obeys signals (signals.h) until it leaves the
// process. Its main thread does nothing else. Throws Error when it cannot start,
// FatalError (EX_CONFIG) where the configuration is to blame.
int runWorker(const Heritage& heritage, Seat& seat);

}  // namespace ociproxy

#endif
