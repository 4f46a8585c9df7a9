#include "ociproxy/store/verification.h"

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"
#include "ociproxy/store/throttle.h"
#include "store/content_check.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/removal.h"
#include "store/tree.h"
#include "store/usage.h"

namespace ociproxy {

namespace {

class Verifier {
public:
    Verifier(Tree& tree, const VerifyOptions& options)
        : tree_(tree), options_(options), quarantine_(tree, Store::Options()),
          throttle_(options.rate), total_(measureContent(tree).bytes) {}

    VerifyReport run() {
        countForeign(kBlobsDirectory, [](const std::string& name) {
            return parseAlgorithm(name).has_value();
        });
        for (const DigestAlgorithm algorithm : kAlgorithms) {
            countForeign(cat(kBlobsDirectory, '/', algorithmName(algorithm)), isFanOut);
            for (unsigned i = 0; i < kFanOut; ++i) contents(algorithm, i);
            for (unsigned i = 0; i < kFanOut; ++i) records(algorithm, i);
        }
        return report_;
    }

private:
    static bool isFanOut(const std::string& name) {
        return name.size() == 2 && hexValue(name[0]) >= 0 && hexValue(name[1]) >= 0 &&
               lower(name) == name;
    }

    template <class IsOurs>
    void countForeign(const std::string& path, const IsOurs& isOurs) {
        const Fd directory = tree_.findDirectory(path);
        if (!directory) return;
        forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
            if (!isOurs(name)) ++report_.foreign;
        });
    }

    void contents(DigestAlgorithm algorithm, unsigned fanOut) {
        const FanOutNames names = namesInFanOut(tree_, algorithm, fanOut);
        report_.foreign += names.foreign.size();
        for (const Digest& digest : names.content) content(digest);
    }

    void content(const Digest& digest) {
        const CheckedContent found =
            checkContent(tree_, digest, [this](std::uint64_t bytes) { spend(bytes); });
        if (!found.status) return;
        ++report_.files;
        if (!found.damage) return;
        ++report_.damaged;
        options_.found(cat(digest.text(), ' ', found.detail));
        if (options_.repair) setAsideChecked(quarantine_, digest, found);
    }

    void spend(std::uint64_t bytes) {
        report_.bytes += bytes;
        throttle_.spend(bytes);
        options_.progress(report_.bytes, total_);
    }

    void records(DigestAlgorithm algorithm, unsigned fanOut) {
        const std::string path =
            cat(kMetadataDirectory, '/', algorithmName(algorithm), '/', fanOutName(fanOut));
        const Fd directory = tree_.findDirectory(path);
        if (!directory) return;
        forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
            const std::optional<Digest> digest = parseRecordName(algorithm, name);
            if (!digest || tree_.look(contentPath(*digest))) return;
            ++report_.orphans;
            if (options_.repair && removeStaleRecord(tree_, *digest)) ++report_.removed;
        });
    }

    Tree& tree_;
    const VerifyOptions& options_;
    Quarantine quarantine_;
    Throttle throttle_;
    const std::uint64_t total_;
    VerifyReport report_;
};

}  // namespace

std::optional<VerifyReport> verifyStore(const VerifyOptions& options) {
    const std::unique_ptr<Tree> tree = openExistingTree(options.directory);
    if (!tree) return std::nullopt;
    return Verifier(*tree, options).run();
}

}  // namespace ociproxy
