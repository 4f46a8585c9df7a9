#ifndef OCIPROXY_SRC_STORE_QUARANTINE_H
#define OCIPROXY_SRC_STORE_QUARANTINE_H

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/store/store.h"
#include "store/layout.h"

namespace ociproxy {

class Log;
class Tree;

// What is wrong with a thing under the name of content or of its metadata. The words are
// parts of names in quarantine/.
enum class Damage : std::uint8_t {
    kSize,      // another size than its metadata says
    kDigest,    // its bytes do not hash to its name
    kUnread,    // the disk does not give its bytes
    kMetadata,  // a record that says nothing, or content without one
    kLinked,    // a symbolic link, or a file with further names
    kForeign,   // another user's, closed to us, or no regular file
};
const char* damageWord(Damage damage) noexcept;

// What is under a name, judged without opening it; nullopt: a regular file of ours with
// one name. A further name is a way for others to change content after it was verified:
// our own files never have one.
std::optional<Damage> judgeFile(const struct stat& status) noexcept;

// "sha256-<hex>.<unix time>.<word>.<16 random hex>": what, when, why.
std::string quarantineName(const Digest& digest, Damage damage);
// The time in a name of that form; nullopt for any other name.
std::optional<std::int64_t> quarantinedAt(std::string_view name);

enum class SetAside : std::uint8_t {
    kMoved,    // it is in quarantine/ now
    kRemoved,  // it could not be moved there and was unlinked
    kGone,     // something else is there by now, or nothing
    kStays,    // neither could be done
};
// Frees a name, following no link. `seen` unless nullptr: only of that very file. Throws
// nothing; `kStays` leaves the cause in errno.
SetAside setAside(Tree& tree, const Digest& digest, const StorePath& path, Damage damage,
                  const struct stat* seen) noexcept;

// The bounds of quarantine/, of which the newest are kept. Directories that hold something
// stay: we have not made what is in them.
struct QuarantineBounds {
    std::uint64_t files = 1000;
    std::uint64_t bytes = 1024ull * 1024 * 1024;
    std::int64_t seconds = 7 * 24 * 3600;
};
// Removes what is beyond; returns how many. Throws SysError.
unsigned trimQuarantine(Tree& tree, const QuarantineBounds& bounds);

// Sets damaged things aside, says so once for each, counts them, and raises the store
// generation, so that no process goes on serving what it holds open. Any thread; what it
// is given outlives it.
class Quarantine {
public:
    Quarantine(Tree& tree, const Store::Options& options)
        : tree_(tree), log_(options.log), generation_(options.generation),
          damaged_(options.damaged) {}
    Quarantine(const Quarantine&) = delete;
    Quarantine& operator=(const Quarantine&) = delete;

    // `detail`: for the log line, "has 3 bytes instead of 12". Throws only std::bad_alloc.
    void take(const Digest& digest, const StorePath& path, Damage damage,
              const struct stat* seen, const std::string& detail);

private:
    void report(const Digest& digest, const StorePath& path, SetAside result,
                const std::string& detail);
    bool isNews(const Digest& digest, const StorePath& path, const struct stat* seen);

    Tree& tree_;
    Log* const log_;
    std::atomic<std::uint64_t>* const generation_;
    std::atomic<std::uint64_t>* const damaged_;
    std::mutex mutex_;  // guards stuck_
    std::set<std::string> stuck_;  // what stays where it is and was reported
};

}  // namespace ociproxy

#endif
