#ifndef OCIPROXY_SRC_PROXY_FOLLOWER_H
#define OCIPROXY_SRC_PROXY_FOLLOWER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/front/growing_body.h"
#include "ociproxy/shm/claim_table.h"
#include "ociproxy/store/store.h"
#include "proxy/claim_watcher.h"
#include "proxy/pass_through.h"
#include "proxy/target.h"

namespace ociproxy {

class Counters;

// A client's view of a fill that runs in any worker: the temporary file through a
// descriptor of its own, and how much of it may be read. Whoever started the fill
// follows it like all others.
//
// The last 64 KiB stay back until the digest was verified. When the owner's process
// dies the follower asks for the take-over itself, because every other request may
// already be streaming. A new lineage of another origin means that bytes were thrown
// away: the body breaks, unless none of them was offered yet. When our own disk ends the
// fill, every follower goes on alone, from where it stands, with what the upstream still
// has. As long as it lives the fill counts as wanted.
class Follower : public GrowingBody {
public:
    struct Options {
        ClaimTable* claims = nullptr;
        ClaimWatcher* watcher = nullptr;
        Store* store = nullptr;
        ClaimKey key{};
        Digest digest;
        ContentKind kind = ContentKind::kBlob;
        std::function<void()> takeOver;  // may be called more than once
        Counters* counters = nullptr;    // of the followers; may be nullptr
        // Makes the rest of a forsaken body; empty: there is none.
        std::function<std::shared_ptr<StreamSource>(Continuation::Part)> goOn{};
    };

    // `file` is the temporary file of view.lineage.
    Follower(Options options, const ClaimView& view, Fd file);
    ~Follower() override;

    int descriptor() const noexcept override { return file_.get(); }
    Snapshot now() noexcept override;
    void setWake(std::function<void()> wake) override;
    std::shared_ptr<StreamSource> continuation(std::uint64_t offset,
                                               std::optional<std::uint64_t> end) override;

private:
    Snapshot growing(const ClaimView& view);
    Snapshot complete(std::uint64_t length);
    Snapshot broken();
    Snapshot failed(const ClaimView& view);
    Snapshot ended(bool sameBytes);
    void replaceFile(Fd file);
    bool switchLineage(const ClaimView& view);

    Options options_;
    std::uint64_t lineage_;
    std::uint64_t origin_;
    std::uint64_t promised_;  // the length that headers may have named
    Fd file_;
    std::vector<Fd> earlierFiles_;  // a piece of them may be on its way still
    std::uint64_t offered_ = 0;
    std::uint64_t written_ = 0;  // good bytes in a file that is forsaken
    bool done_ = false;
    Snapshot last_;
    std::shared_ptr<ClaimWatcher::Ticket> wish_;  // also while nothing is waited for
    std::shared_ptr<ClaimWatcher::Ticket> ticket_;
};

}  // namespace ociproxy

#endif
