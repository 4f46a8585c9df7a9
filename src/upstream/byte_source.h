#ifndef OCIPROXY_SRC_UPSTREAM_BYTE_SOURCE_H
#define OCIPROXY_SRC_UPSTREAM_BYTE_SOURCE_H

#include <cstddef>

namespace ociproxy {

// Where the readers of heads and bodies take their bytes from: a connection, or a
// string in a test. One thread.
class ByteSource {
public:
    virtual ~ByteSource() = default;
    // Up to `size` bytes, at least one; 0 at the end. Throws UpstreamError.
    virtual std::size_t read(char* out, std::size_t size) = 0;
    // One byte, or -1 at the end. Throws UpstreamError.
    virtual int get() = 0;
};

}  // namespace ociproxy

#endif
