#ifndef OCIPROXY_SRC_FRONT_CANNED_H
#define OCIPROXY_SRC_FRONT_CANNED_H

#include "ociproxy/front/message.h"

namespace ociproxy {

class Transport;

// A reply to a client whose request nobody has read, in one piece: it fits into the buffer
// of a new socket. The method is unknown: a body does no harm because nothing follows.
void sendCanned(Transport& transport, const Reply& reply);

}  // namespace ociproxy

#endif
