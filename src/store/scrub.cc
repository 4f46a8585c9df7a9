#include "ociproxy/store/scrub.h"

#include <algorithm>
#include <optional>
#include <string>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "store/content_check.h"
#include "store/layout.h"
#include "store/quarantine.h"
#include "store/record.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr Millis kLongestWait{60'000};
constexpr std::uint64_t kPlaces = kFanOut * (sizeof kAlgorithms / sizeof *kAlgorithms);

// How far a round is. A plain value.
struct Cursor {
    std::int64_t begun = 0;       // wall seconds
    std::uint64_t place = kPlaces;  // directory that is next; kPlaces: the round is done
    std::string after;            // the last content in it that was done
};

StorePath cursorPath() { return {".", kScrubFile}; }

Cursor readCursor(Tree& tree) {
    const std::optional<std::string> text = tree.readSmall(cursorPath());
    const std::optional<Record> record = text ? Record::parse(*text) : std::nullopt;
    if (!record) return {};
    Cursor out;
    out.begun = record->getTime("begun").value_or(0);
    out.place = std::min(record->getNumber("place").value_or(kPlaces), kPlaces);
    out.after = record->getText("after").value_or("");
    return out;
}

void writeCursor(Tree& tree, const Cursor& cursor) {
    Record record;
    record.setTime("begun", cursor.begun);
    record.setNumber("place", cursor.place);
    record.setText("after", cursor.after);
    tree.writeSmall(cursorPath(), record.text(), Sync::kNo);
}

}  // namespace

class Scrub::Impl {
public:
    explicit Impl(const Options& options)
        : options_(options), tree_(options.store.directory),
          quarantine_(tree_, options.store), throttle_(options.rate, options.sleep),
          cursor_(readCursor(tree_)) {}

    Millis work() {
        if (cursor_.place >= kPlaces) {
            const Millis wait = untilNextRound();
            if (wait > Millis{0}) return wait;
            cursor_ = Cursor{wallSeconds(), 0, {}};
        }
        directory(kAlgorithms[cursor_.place / kFanOut],
                  static_cast<unsigned>(cursor_.place % kFanOut));
        ++cursor_.place;
        cursor_.after.clear();
        if (cursor_.place >= kPlaces) finishRound();
        return Millis{0};
    }

private:
    // A beginning in the future was stamped by a clock that was ahead.
    Millis untilNextRound() const {
        const std::int64_t since = wallSeconds() - cursor_.begun;
        if (since < 0 || since >= options_.roundSeconds) return Millis{0};
        return std::min(kLongestWait, Millis{(options_.roundSeconds - since) * 1000});
    }

    void directory(DigestAlgorithm algorithm, unsigned fanOut) {
        for (const Digest& digest : namesInFanOut(tree_, algorithm, fanOut).content) {
            if (digest.hex() <= cursor_.after) continue;
            content(digest);
            cursor_.after = digest.hex();
            if (now() >= saveAt_) save();
        }
    }

    void content(const Digest& digest) {
        const CheckedContent found = checkContent(tree_, digest, [this](std::uint64_t bytes) {
            if (options_.verified != nullptr) options_.verified->fetch_add(bytes);
            throttle_.spend(bytes);
        });
        if (!found.status) return;
        ++files_;
        bytes_ += found.bytes;
        if (found.damage) ++damaged_;
        setAsideChecked(quarantine_, digest, found);
    }

    void save() {
        writeCursor(tree_, cursor_);
        saveAt_ = now() + options_.saveEvery;
    }

    void finishRound() {
        save();
        if (options_.store.log != nullptr && files_ > 0) {
            options_.store.log->info(cat("scrubbed ", files_, " files, ", bytes_, " bytes: ",
                                         damaged_, " damaged"));
        }
        files_ = bytes_ = damaged_ = 0;
    }

    const Options options_;
    Tree tree_;
    Quarantine quarantine_;
    Throttle throttle_;
    Cursor cursor_;
    TimePoint saveAt_ = now() + options_.saveEvery;
    std::uint64_t files_ = 0;  // since the start, of this round
    std::uint64_t bytes_ = 0;
    std::uint64_t damaged_ = 0;
};

Scrub::Scrub(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Scrub::~Scrub() = default;

Millis Scrub::work() { return impl_->work(); }

}  // namespace ociproxy
