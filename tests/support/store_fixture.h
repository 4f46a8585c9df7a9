// What unit tests of the store stand on: a prepared cache in a temporary directory, a
// view of its files that does not go through the store, and child processes to kill.
#ifndef OCIPROXY_TESTS_SUPPORT_STORE_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_STORE_FIXTURE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <sys/types.h>
#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

// A directory of its own below TMPDIR or /tmp, removed with all it holds.
class ScratchDirectory {
public:
    // `parent`: empty for the usual place.
    explicit ScratchDirectory(const std::string& parent = std::string());
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + '/' + name; }

private:
    std::string path_;
};

// Where syncing costs nothing, for tests that do it thousands of times and whose faults
// the page cache survives; empty when there is no such place.
std::string memoryDirectory();

class StoreFixture {
public:
    explicit StoreFixture(const std::string& parent = std::string());
    ~StoreFixture();

    std::string file(const std::string& relative) const { return cache + '/' + relative; }
    // Another instance on the same directory, as another process has it.
    std::unique_ptr<Store> another(Durability durability = Durability::kFull);
    std::vector<std::string> logLines() const;

    // Stores `content` under its SHA-256 and returns that.
    Digest put(const std::string& content, ContentKind kind = ContentKind::kBlob);

    ScratchDirectory root;
    const std::string cache;
    Log log;
    Fd lock;
    std::unique_ptr<Store> store;
};

Digest sha256(const std::string& content);
ContentInfo blobInfo(std::uint64_t size);
ContentInfo manifestInfo(std::uint64_t size);
// Everything from create() to commit(), in one go.
void storeContent(Store& store, const std::string& content, const ContentInfo& info,
                  std::uint64_t lineage);
// What the descriptor gives from its beginning.
std::string contentOf(const StoredContent& content);

// Files as the documented layout has them, relative to the cache directory.
std::string blobFile(const Digest& digest);
std::string metadataFile(const Digest& digest);
std::string temporaryFile(const Digest& digest, std::uint64_t lineage);

std::string readFile(const std::string& path);  // empty when there is none
void writeFile(const std::string& path, const std::string& text);
bool exists(const std::string& path);           // a dangling link exists
struct stat statusOfFile(const std::string& path);
// Names in a directory, sorted; empty when there is none.
std::vector<std::string> namesIn(const std::string& path);
// Regular files below a directory, with their paths, sorted.
std::vector<std::string> filesBelow(const std::string& path);
// Seconds relative to now.
void setTimes(const std::string& path, std::int64_t accessed, std::int64_t written);
void giveAway(const std::string& path);  // to nobody; skips the test when not root

// Files under blobs/ whose content does not hash to their name: none, whatever happened.
std::vector<std::string> damagedBlobs(const std::string& cache);

// A forked process that runs `body` and ends, 0 if that returned. Killed and reaped with
// this object. The test must have one thread.
class Child {
public:
    explicit Child(const std::function<void()>& body);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const noexcept { return pid_; }
    void kill() noexcept;
    // The status of waitpid().
    int wait();
    // Whether it ended by itself with 0.
    bool succeeded();

private:
    pid_t pid_ = -1;
};

// A pipe for telling another process something.
class WordPipe {
public:
    WordPipe();
    void send(const std::string& text = "x");
    // One byte, or false at the end: all senders are gone.
    bool receive();
    // Up to and without the next line feed, or to the end.
    std::string receiveLine();
    // Everything until all senders are gone.
    std::string receiveAll();

private:
    bool receiveByte(char* byte);

    Fd receiver_;
    Fd sender_;
};

}  // namespace ociproxy

#endif
