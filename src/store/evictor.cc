#include "ociproxy/store/evictor.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "ociproxy/base/disk_cost.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "store/content_index.h"
#include "store/image_graph.h"
#include "store/pin_search.h"
#include "store/removal.h"
#include "store/sweep.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// How often the order is made again because files turn out to have been used.
constexpr unsigned kMaxRounds = 64;

}  // namespace

class Evictor::Impl {
public:
    using Id = ContentIndex::Id;

    explicit Impl(const Options& options)
        : options_(options), tree_(options.directory), graph_(&index_) {}

    void refresh();
    State state() const;
    Result evict(std::uint64_t cost);
    unsigned sweep();

private:
    // The smallest is evicted first.
    struct Candidate {
        std::uint32_t youngest;
        std::uint8_t depth;
        Id id;
        friend bool operator<(const Candidate& a, const Candidate& b) noexcept {
            return a.youngest != b.youngest ? a.youngest < b.youngest : a.depth < b.depth;
        }
    };

    void markPinned();
    std::vector<Id> firstOf(std::uint64_t cost);
    bool verify(const std::vector<Id>& victims);
    bool verifyOne(Id id);
    void remove(const std::vector<Id>& victims, std::uint64_t cost, Result* result);
    bool removeOne(Id id);
    void pass(Id id, const std::exception& error);
    void worked(std::size_t steps);

    const Options options_;
    Tree tree_;
    ContentIndex index_;
    ImageGraph graph_;
    std::uint64_t pinned_ = 0;  // cost
    bool complained_ = false;   // in this pass
    std::size_t steps_ = 0;     // since the last pause
};

// A name read, a file looked at or unlinked is a step.
void Evictor::Impl::worked(std::size_t steps) {
    steps_ += steps;
    if (steps_ < options_.batch) return;
    steps_ = 0;
    if (options_.pause > Millis::zero()) std::this_thread::sleep_for(options_.pause);
}

void Evictor::Impl::refresh() {
    const auto worked = [this](std::size_t steps) { this->worked(steps); };
    index_.refresh(tree_, worked);
    graph_.refresh(tree_, worked);
    graph_.order();
    markPinned();
}

void Evictor::Impl::markPinned() {
    pinned_ = 0;
    index_.forEachPresent([](Id, ContentIndex::Entry& entry) { entry.pinned = false; });
    for (const Pin& pin : options_.pins) {
        for (const Digest& digest : pinnedDigests(tree_, pin)) {
            const Id id = index_.find(digest);
            if (id != ContentIndex::kNone) graph_.pin(id);
        }
    }
    index_.forEachPresent([this](Id, ContentIndex::Entry& entry) {
        if (entry.pinned) pinned_ += diskCost(entry.size);
    });
}

Evictor::State Evictor::Impl::state() const {
    State out;
    out.files = index_.files();
    out.bytes = index_.bytes();
    out.cost = index_.cost();
    out.evictable = index_.cost() - std::min(index_.cost(), pinned_);
    return out;
}

// Times of use in the index may be too old. So the first in the order are looked at, and
// when one of them turns out to be younger the order is made again, until all of the
// first are what they seem. Whatever comes later is younger than it seems at most.
Evictor::Result Evictor::Impl::evict(std::uint64_t cost) {
    Result result;
    complained_ = false;
    index_.forEachPresent([](Id, ContentIndex::Entry& entry) { entry.verified = false; });
    for (unsigned round = 0; round < kMaxRounds && result.cost < cost; ++round) {
        const std::vector<Id> victims = firstOf(cost - result.cost);
        if (victims.empty()) break;
        if (verify(victims)) remove(victims, cost, &result);
        else graph_.order();
    }
    if (result.files > 0 && options_.generation != nullptr) options_.generation->fetch_add(1);
    return result;
}

// The first in the order that have that cost together. No sorting: few of many are wanted.
std::vector<Evictor::Impl::Id> Evictor::Impl::firstOf(std::uint64_t cost) {
    std::vector<Candidate> heap;
    heap.reserve(static_cast<std::size_t>(index_.files()));
    index_.forEachPresent([&heap](Id id, const ContentIndex::Entry& entry) {
        if (!entry.pinned) heap.push_back(Candidate{entry.youngest, entry.depth, id});
    });
    const auto later = [](const Candidate& a, const Candidate& b) { return b < a; };
    std::make_heap(heap.begin(), heap.end(), later);
    std::vector<Id> out;
    for (std::uint64_t sum = 0; sum < cost && !heap.empty(); heap.pop_back()) {
        std::pop_heap(heap.begin(), heap.end(), later);
        out.push_back(heap.back().id);
        sum += diskCost(index_[out.back()].size);
    }
    return out;
}

bool Evictor::Impl::verify(const std::vector<Id>& victims) {
    bool all = true;
    for (const Id id : victims) {
        if (index_[id].verified) continue;
        if (!verifyOne(id)) all = false;
        worked(1);
    }
    return all;
}

bool Evictor::Impl::verifyOne(Id id) {
    std::optional<std::int64_t> used;
    try {
        used = lastUse(tree_, index_.digest(id));
    } catch (const std::exception& error) {
        pass(id, error);
        return false;
    }
    if (!used) {
        index_.vanish(id);
        return false;
    }
    ContentIndex::Entry& entry = index_[id];
    entry.verified = true;
    const std::uint32_t usedAt = usedAtOf(*used, *used);
    if (usedAt == entry.usedAt) return true;
    entry.usedAt = usedAt;
    return false;
}

void Evictor::Impl::remove(const std::vector<Id>& victims, std::uint64_t cost, Result* result) {
    for (const Id id : victims) {
        if (result->cost >= cost) return;
        const std::uint64_t size = index_[id].size;
        if (!removeOne(id)) return;  // the order is not what it was
        result->files += 1;
        result->bytes += size;
        result->cost += diskCost(size);
        worked(1);
    }
}

bool Evictor::Impl::removeOne(Id id) {
    try {
        const Removal done = removeContent(tree_, index_.digest(id), index_[id].usedAt);
        if (done == Removal::kUsed) {
            index_[id].verified = false;
            return false;
        }
        index_.vanish(id);
        return done == Removal::kRemoved;
    } catch (const std::exception& error) {
        pass(id, error);
        return false;
    }
}

// Until the next refresh it is as good as pinned, or it would stand first for ever.
void Evictor::Impl::pass(Id id, const std::exception& error) {
    index_[id].pinned = true;
    pinned_ += diskCost(index_[id].size);
    if (complained_ || options_.log == nullptr) return;
    complained_ = true;
    options_.log->warning(cat("cannot evict: ", error.what()));
}

unsigned Evictor::Impl::sweep() {
    const auto isPresent = [this](const Digest& digest) {
        const Id id = index_.find(digest);
        return id != ContentIndex::kNone && index_[id].present;
    };
    return sweepTree(tree_, isPresent, [this](std::size_t steps) { worked(steps); });
}

Evictor::Evictor(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Evictor::~Evictor() = default;
void Evictor::refresh() { impl_->refresh(); }
Evictor::State Evictor::state() const { return impl_->state(); }
Evictor::Result Evictor::evict(std::uint64_t cost) { return impl_->evict(cost); }
unsigned Evictor::sweep() { return impl_->sweep(); }

}  // namespace ociproxy
