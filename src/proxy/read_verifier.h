#ifndef OCIPROXY_SRC_PROXY_READ_VERIFIER_H
#define OCIPROXY_SRC_PROXY_READ_VERIFIER_H

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "ociproxy/front/message.h"
#include "ociproxy/proxy/proxy.h"
#include "ociproxy/store/content_file.h"
#include "ociproxy/store/store.h"
#include "proxy/file_verification.h"

namespace ociproxy {

class Counters;

// Hashes hits again, as verify_on_read says. What is small is hashed before its headers, so
// that the request that finds it damaged is answered from upstream; the rest while it is
// sent, a piece of each file in turn, by a few threads that no client can hold up. Requests
// for a file that is being hashed share that. Damaged files are set aside before anybody
// hears of it: the next request fetches them.
//
// Any thread. Methods throw only std::bad_alloc and what starting a thread throws.
class ReadVerifier {
public:
    struct Options {
        VerifyOnRead mode = VerifyOnRead::kOff;
        Store* store = nullptr;
        Counters* counters = nullptr;  // may be nullptr
        unsigned threads = 2;
        std::size_t remembered = 65'536;  // files of kFirst
    };

    explicit ReadVerifier(const Options& options) : options_(options) {}
    ~ReadVerifier() { stop(); }
    ReadVerifier(const ReadVerifier&) = delete;
    ReadVerifier& operator=(const ReadVerifier&) = delete;

    enum class Verdict : std::uint8_t {
        kTrusted,  // may be sent as it is
        kDamaged,  // must not be sent; it has been set aside
        kPending,  // is to be sent by follow()
    };
    // May read up to 64 KiB, of a manifest all, from disk.
    Verdict judge(const Digest& digest, ContentKind kind, const StoredContent& content);
    // Makes the slices of the reply a body that breaks if the file is damaged, before the
    // last of them is complete. REQUIRES: a FileBody of that content.
    void follow(const Digest& digest, const StoredContent& content, Reply* reply);
    // Whether what is remembered of the content may be served without another judge().
    bool mayRemember(const StoredContent& content);

    // Sets aside what a reader of the content has found damaged. Never throws.
    void setAside(const Digest& digest, const StoredContent& content,
                  const std::string& problem) noexcept;
    // Hashes it some time soon, whatever the mode: somebody could not read it.
    void suspect(const Digest& digest, const StoredContent& content);

    void stop();

private:
    using VerificationPtr = std::shared_ptr<FileVerification>;

    bool hasVerified(const StoredContent& content);
    void remember(const std::optional<FileIdentity>& file);
    Verdict judgeNow(const Digest& digest, const StoredContent& content);
    VerificationPtr begin(const Digest& digest, const StoredContent& content, bool keep);
    void startThreads();
    void run();
    void finish(const VerificationPtr& verification) noexcept;
    void conclude(FileVerification* verification);

    struct Job {
        VerificationPtr verification;
        bool keep;  // also when nobody waits for it
    };

    const Options options_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    std::map<FileIdentity, std::weak_ptr<FileVerification>> running_;
    std::list<FileIdentity> order_;  // most recently used first
    std::map<FileIdentity, std::list<FileIdentity>::iterator> verified_;
    std::vector<std::thread> threads_;
    bool stopping_ = false;
};

}  // namespace ociproxy

#endif
