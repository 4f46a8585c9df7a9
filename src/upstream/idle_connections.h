#ifndef OCIPROXY_SRC_UPSTREAM_IDLE_CONNECTIONS_H
#define OCIPROXY_SRC_UPSTREAM_IDLE_CONNECTIONS_H

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "ociproxy/base/clock.h"

namespace ociproxy {

class HopConnection;

// Connections that wait for their next request, by key (upstream with its settings, and
// origin). One that has waited longer than 8 s, or on which something arrived, is
// closed: servers give up idle connections without a word. Any thread.
class IdleConnections {
public:
    explicit IdleConnections(std::size_t maxPerKey);
    ~IdleConnections();

    // The one used last, or nullptr.
    std::unique_ptr<HopConnection> take(const std::string& key);
    void put(const std::string& key, std::unique_ptr<HopConnection> connection);

private:
    struct Entry {
        std::string key;
        TimePoint since;
        std::unique_ptr<HopConnection> connection;
    };

    std::list<Entry> takeSurplus(const std::string& key);
    void moveOldest(std::size_t surplus, const std::string* key, std::list<Entry>* out);

    const std::size_t maxPerKey_;
    std::mutex mutex_;
    std::list<Entry> entries_;  // the longest idle first
};

}  // namespace ociproxy

#endif
