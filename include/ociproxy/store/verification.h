// Going once through all of a store, by hand, beside whoever runs on it.
#ifndef OCIPROXY_STORE_VERIFICATION_H
#define OCIPROXY_STORE_VERIFICATION_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace ociproxy {

struct VerifyReport {
    std::uint64_t files = 0;    // of content
    std::uint64_t bytes = 0;    // that were hashed
    std::uint64_t damaged = 0;
    std::uint64_t orphans = 0;  // records without content
    std::uint64_t removed = 0;  // of these, removed
    std::uint64_t foreign = 0;  // below blobs/, by no name of ours: left alone
};

struct VerifyOptions {
    std::string directory;
    // Damaged content is moved to quarantine/, and records that have been without content
    // for an hour are removed. Without it nothing is changed.
    bool repair = false;
    std::uint64_t rate = 0;  // bytes per second; 0: no limit
    // One line for each damage.
    std::function<void(const std::string& line)> found;
    // After every piece: how many bytes of how many have been read.
    std::function<void(std::uint64_t bytes, std::uint64_t total)> progress;
};

// Hashes all content and compares it with its records. Marks no use and changes nothing
// that is in order; other processes may serve, commit and evict meanwhile. nullopt when
// there is no store. Throws Error when it is not one of ours, SysError when the disk fails
// elsewhere than in content.
std::optional<VerifyReport> verifyStore(const VerifyOptions& options);

}  // namespace ociproxy

#endif
