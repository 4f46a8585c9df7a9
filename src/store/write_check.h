#ifndef OCIPROXY_SRC_STORE_WRITE_CHECK_H
#define OCIPROXY_SRC_STORE_WRITE_CHECK_H

namespace ociproxy {

class Tree;

// Writes a few bytes where downloads are written, and leaves nothing. Throws SysError.
void checkTreeWritable(Tree& tree);

}  // namespace ociproxy

#endif
