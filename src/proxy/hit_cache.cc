#include "proxy/hit_cache.h"

#include <algorithm>

#include "ociproxy/base/error.h"
#include "proxy/replies.h"

namespace ociproxy {

namespace {

// What a reply depends on besides fields that its making looks at: without a query the
// Host decides nothing (an `ns` that names the proxy itself counts as absent).
std::string keyOf(const Request& request) {
    if (request.target.find('?') == std::string::npos) return request.target;
    return request.target + '\0' + request.host;
}

// Of a reply that is put together on the reactor's thread: each costs a system call.
constexpr std::size_t kMaxSlices = 16;

std::optional<std::string> readIfIntact(const Fd& file, std::uint64_t size,
                                        const Digest& digest) {
    try {
        return readVerified(file, size, digest);
    } catch (const SysError&) {
        return std::nullopt;
    }
}

std::uint64_t sizeOf(const FileBody& body) noexcept {
    std::uint64_t total = 0;
    for (const FileSlice& slice : body.slices) total += slice.size;
    return total;
}

}  // namespace

HitCache::HitCache(const Options& options) : options_(options) {
    OCIPROXY_ASSERT(options.generation != nullptr);
}

bool HitCache::put(const Request& request, HitFacts hit, const std::string& nsAsReceived,
                   std::uint64_t generation) {
    const Fd& file = *hit.content.file;
    const std::uint64_t size = hit.content.info.size;
    const std::optional<FileState> state = lookAtFile(file);
    if (!state || state->size != size) return true;
    const bool small = size <= options_.maxSmall;
    if (!small && options_.onlyInMemory) return true;
    std::string bytes;
    if (small) {
        std::optional<std::string> read = readIfIntact(file, size, hit.facts.digest);
        if (!read) return false;
        bytes = std::move(*read);
    }
    std::shared_ptr<Entry> entry = std::make_shared<Entry>(std::move(hit));
    entry->key = keyOf(request);
    entry->nsAsReceived = nsAsReceived;
    entry->state = *state;
    entry->bytes = std::move(bytes);
    entry->until = endOf(entry->hit);
    remember(std::move(entry), generation);
    return true;
}

std::optional<Reply> HitCache::reply(const Request& request) {
    const EntryPtr entry = find(keyOf(request));
    if (!entry) return std::nullopt;
    const std::optional<FileState> state = lookAtFile(*entry->hit.content.file);
    if (!state || !(*state == entry->state)) {
        forget(entry);
        return std::nullopt;
    }
    Reply reply = storedReply(request, entry->hit.facts, entry->hit.content, cacheHit());
    if (request.method != Method::kHead) spareTheDisk(*entry, &reply);
    addCommonHeaders(entry->nsAsReceived, &reply);
    return reply;
}

// No longer than the link holds that permits it.
TimePoint HitCache::endOf(const HitFacts& hit) const {
    const TimePoint end = now() + options_.validity;
    if (!hit.linkedUntil) return end;
    return std::min(end, now() + std::chrono::seconds(*hit.linkedUntil - wallSeconds()));
}

std::size_t HitCache::size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return places_.size();
}

HitCache::EntryPtr HitCache::find(const std::string& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    syncGeneration();
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    const Places::iterator place = found->second;
    if ((*place)->until <= now()) {
        erase(place);
        return nullptr;
    }
    places_.splice(places_.begin(), places_, place);
    return *place;
}

// What was planned under an earlier generation may rest on what is gone.
void HitCache::remember(EntryPtr entry, std::uint64_t generation) {
    Places old;  // let go of when the lock is free again
    const std::lock_guard<std::mutex> lock(mutex_);
    syncGeneration();
    if (generation != seen_) return;
    const auto found = index_.find(entry->key);
    if (found != index_.end()) erase(found->second);
    bytes_ += entry->bytes.size();
    places_.push_front(std::move(entry));
    index_.emplace(places_.front()->key, places_.begin());
    while (places_.size() > options_.maxFiles || bytes_ > options_.maxBytes) {
        erase(std::prev(places_.end()));
    }
    old.swap(gone_);
}

void HitCache::expire() {
    Places old;  // likewise
    const std::lock_guard<std::mutex> lock(mutex_);
    syncGeneration();
    const TimePoint present = now();
    for (Places::iterator place = places_.begin(); place != places_.end();) {
        const Places::iterator here = place++;
        if ((*here)->until <= present) erase(here);
    }
    old.swap(gone_);
}

void HitCache::forget(const EntryPtr& entry) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = index_.find(entry->key);
    if (found != index_.end() && *found->second == entry) erase(found->second);
}

void HitCache::syncGeneration() noexcept {
    const std::uint64_t current = generation();
    if (current == seen_) return;
    seen_ = current;
    index_.clear();
    gone_.splice(gone_.end(), places_);
    bytes_ = 0;
}

void HitCache::erase(Places::iterator place) noexcept {
    bytes_ -= (*place)->bytes.size();
    index_.erase((*place)->key);
    gone_.splice(gone_.end(), places_, place);
}

bool HitCache::isResidentNow(const Entry& entry) const noexcept {
    const std::int64_t present = monotonicNs();
    if (present < entry.residentUntilNs.load()) return true;
    if (!isResident(*entry.hit.content.file, entry.state.size)) return false;
    entry.residentUntilNs.store(present + std::chrono::nanoseconds(options_.residence).count());
    return true;
}

std::optional<BytesBody> HitCache::read(const Entry& entry, const FileBody& file) const {
    BytesBody body;
    body.bytes.reserve(static_cast<std::size_t>(sizeOf(file)));
    for (const FileSlice& slice : file.slices) {
        const std::size_t size = static_cast<std::size_t>(slice.size);
        if (file.prefix) body.bytes += file.prefix(slice);
        if (!entry.bytes.empty()) {
            body.bytes.append(entry.bytes, static_cast<std::size_t>(slice.offset), size);
        } else if (!readResident(*entry.hit.content.file, slice.offset, size, &body.bytes)) {
            return std::nullopt;
        }
    }
    body.bytes += file.suffix;
    return body;
}

// Makes a body that the reactor may send itself, if that can be.
void HitCache::spareTheDisk(const Entry& entry, Reply* reply) const {
    FileBody* const file = std::get_if<FileBody>(&reply->body);
    if (!file || file->slices.size() > kMaxSlices) return;
    if (entry.bytes.empty() && entry.state.size <= options_.maxResident) {
        file->resident = isResidentNow(entry);
    } else if (sizeOf(*file) <= options_.maxRead) {
        if (std::optional<BytesBody> bytes = read(entry, *file)) reply->body = *std::move(bytes);
    }
}

}  // namespace ociproxy
