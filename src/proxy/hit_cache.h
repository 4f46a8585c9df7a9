#ifndef OCIPROXY_SRC_PROXY_HIT_CACHE_H
#define OCIPROXY_SRC_PROXY_HIT_CACHE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "ociproxy/base/clock.h"
#include "ociproxy/front/message.h"
#include "ociproxy/store/content_file.h"
#include "proxy/findings.h"

namespace ociproxy {

// What this worker has just served from the store by digest: open files, what is known of
// them, and the bytes of small ones, so that the next request for the same target is
// answered without a thread that may wait for the disk. Pages that were in memory within
// the last `residence` are taken to be there still.
//
// An entry stands for a whole plan: the permission to serve is part of it. It holds for
// `validity`, and no longer than the store generation stays what it was when the plan
// began. A file that was removed, or written to since, ends its entry at the next look.
//
// Least recently used entries go first. Any thread.
class HitCache {
public:
    struct Options {
        std::size_t maxFiles = 512;
        std::size_t maxSmall = 16 * 1024;        // content whose bytes are kept with it
        std::size_t maxBytes = 4 * 1024 * 1024;  // of all such
        std::size_t maxRead = 64 * 1024;         // ranges that are read here, if resident
        std::size_t maxResident = 256 * 1024;    // content that is said to be resident
        bool onlyInMemory = false;               // nothing whose bytes are not kept
        Millis validity{10'000};
        Millis residence{100};                   // how long that is believed
        const std::atomic<std::uint64_t>* generation = nullptr;
    };

    explicit HitCache(const Options& options);
    HitCache(const HitCache&) = delete;
    HitCache& operator=(const HitCache&) = delete;

    // To be asked before a plan is made whose hit may be put here.
    std::uint64_t generation() const noexcept { return options_.generation->load(); }
    // Remembers a hit by the request that it answered. May wait for the disk, once per
    // entry; content that cannot be looked at is not remembered. False: its bytes were read
    // and are not those of its digest, or could not be read. Throws std::bad_alloc.
    bool put(const Request& request, HitFacts hit, const std::string& nsAsReceived,
             std::uint64_t generation);
    // The whole reply to a GET or HEAD that was answered before, conditions and ranges
    // observed; nullopt when it must be planned. Never waits.
    std::optional<Reply> reply(const Request& request);

    // Lets go of entries that have grown old and closes their files, which may take a
    // while where they were the last name of a large one. To be called now and then.
    void expire();

    std::size_t size() const;  // entries

private:
    struct Entry {
        explicit Entry(HitFacts served) : hit(std::move(served)) {}

        std::string key;
        HitFacts hit;
        std::string nsAsReceived;
        FileState state;
        std::string bytes;  // the whole content, if it is small
        TimePoint until;
        mutable std::atomic<std::int64_t> residentUntilNs{0};
    };
    using EntryPtr = std::shared_ptr<const Entry>;
    using Places = std::list<EntryPtr>;

    EntryPtr find(const std::string& key);
    void remember(EntryPtr entry, std::uint64_t generation);
    void forget(const EntryPtr& entry);
    void syncGeneration() noexcept;
    TimePoint endOf(const HitFacts& hit) const;
    void erase(Places::iterator place) noexcept;
    bool isResidentNow(const Entry& entry) const noexcept;
    std::optional<BytesBody> read(const Entry& entry, const FileBody& file) const;
    void spareTheDisk(const Entry& entry, Reply* reply) const;

    const Options options_;
    mutable std::mutex mutex_;
    Places places_;  // most recently used first
    Places gone_;    // to be let go of by expire() or put(): no hit waits for that
    std::unordered_map<std::string, Places::iterator> index_;
    std::size_t bytes_ = 0;
    std::uint64_t seen_ = 0;  // generation of all entries
};

}  // namespace ociproxy

#endif
