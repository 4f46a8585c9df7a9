// What is waited for at each level of durability, as the system calls of a child show it.
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/syscall.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/store_fixture.h"
#include "support/traced_child.h"

namespace ociproxy {

namespace {

const std::string kText = "some content";
constexpr std::uint64_t kLineage = 0x2a;

}  // namespace

class StoreDurabilityTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreDurabilityTest);
    CPPUNIT_TEST(commitSyncsInOrder);
    CPPUNIT_TEST(commitSyncsNoMoreThanAskedFor);
    CPPUNIT_TEST(linksAreSyncedAsAskedFor);
    CPPUNIT_TEST(aLinkWithoutSyncSyncsNothing);
    CPPUNIT_TEST(aRepositoryWithoutItsNameGetsIt);
    CPPUNIT_TEST(directoriesAreSyncedAsAskedFor);
    CPPUNIT_TEST(writeBackIsSpread);
    CPPUNIT_TEST_SUITE_END();

public:
    // What a power failure needs: each name is durable before the next step.
    void commitSyncsInOrder() {
        assertCommitMakes(Durability::kFull, "sync-scratch rename sync-meta "
                                             "sync-data rename sync-blobs ");
    }

    void commitSyncsNoMoreThanAskedFor() {
        assertCommitMakes(Durability::kData, "rename sync-data rename ");
        assertCommitMakes(Durability::kNone, "rename rename ");
    }

    void linksAreSyncedAsAskedFor() {
        for (const Durability durability : kAll) {
            const std::unique_ptr<Store> store = fixture_.another(durability);
            store->putLink(where_, ContentKind::kBlob, digest_, false);
            const std::string seen = callsOf([] {}, [&] {
                store->putLink(where_, ContentKind::kBlob, digest_, true);
                store->syncLink(where_, ContentKind::kBlob, digest_);
            });
            // The link and its directory, each time; once the repository's name, its
            // directory and the one above.
            CPPUNIT_ASSERT_EQUAL(durability == Durability::kFull ? 7u : 0u, countSyncs(seen));
            CPPUNIT_ASSERT(store->link(where_, ContentKind::kBlob, digest_));
        }
    }

    // The first byte does not wait for the disk, not even in a new repository.
    void aLinkWithoutSyncSyncsNothing() {
        const std::string seen = callsOf([] {}, [&] {
            fixture_.store->putLink(where_, ContentKind::kBlob, digest_, false);
            fixture_.store->putTag(where_, "v1", TagEntry{digest_, "", kText.size(), 1, {}});
        });
        CPPUNIT_ASSERT_EQUAL(0u, countSyncs(seen));
        CPPUNIT_ASSERT(fixture_.store->link(where_, ContentKind::kBlob, digest_));
    }

    // As a power cut leaves it behind that.
    void aRepositoryWithoutItsNameGetsIt() {
        fixture_.store->putLink(where_, ContentKind::kBlob, digest_, false);
        const std::string name =
            fixture_.file("repos/" + namesIn(fixture_.file("repos")).at(0) + "/name");
        writeFile(name, "");
        fixture_.store->putLink(where_, ContentKind::kManifest, digest_, false);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test\nsome/thing\n"), readFile(name));
    }

    void directoriesAreSyncedAsAskedFor() {
        const Digest other = digestOf(DigestAlgorithm::kSha512, kText);
        for (const Durability durability : kAll) {
            std::filesystem::remove_all(fixture_.file("blobs/sha512"));
            std::filesystem::remove_all(fixture_.file("meta/sha512"));
            const RepositoryKey fresh{"up.test", cat("r", static_cast<int>(durability))};
            const std::unique_ptr<Store> store = fixture_.another(durability);
            const std::string seen = callsOf([] {}, [&] {
                store->putLink(fresh, ContentKind::kBlob, other, false);
                const std::unique_ptr<ContentWriter> writer = store->create(other, kLineage);
                writer->append(kText.data(), kText.size());
                if (writer->matches()) writer->commit(blobInfo(kText.size()));
            });
            // The data alone, or much more.
            if (durability == Durability::kFull) CPPUNIT_ASSERT(countSyncs(seen) > 6);
            else CPPUNIT_ASSERT_EQUAL(durability == Durability::kData ? 1u : 0u, countSyncs(seen));
            CPPUNIT_ASSERT(store->open(other, ContentKind::kBlob));
        }
    }

    // Handed to the disk in windows while it grows, each byte once.
    void writeBackIsSpread() {
        const std::vector<std::uint64_t> windows = {0, 8 << 20, 8 << 20, 8 << 20};
        CPPUNIT_ASSERT(rangesSynced(Durability::kFull) == windows);
        CPPUNIT_ASSERT(rangesSynced(Durability::kData) == windows);
        CPPUNIT_ASSERT(rangesSynced(Durability::kNone).empty());
    }

private:
    static constexpr Durability kAll[] = {Durability::kFull, Durability::kData,
                                          Durability::kNone};

    void assertCommitMakes(Durability durability, const std::string& calls) {
        std::filesystem::remove(fixture_.file(blobFile(digest_)));
        const std::unique_ptr<Store> store = fixture_.another(durability);
        std::unique_ptr<ContentWriter> writer;
        const std::string seen = callsOf(
            [&] {
                writer = store->create(digest_, kLineage);
                writer->append(kText.data(), kText.size());
                if (!writer->matches()) throw Error("no match");
            },
            [&] { writer->commit(blobInfo(kText.size())); });
        CPPUNIT_ASSERT_EQUAL(calls, seen);
        CPPUNIT_ASSERT(store->open(digest_, ContentKind::kBlob));
    }

    std::vector<std::uint64_t> rangesSynced(Durability durability) {
        const std::unique_ptr<Store> store = fixture_.another(durability);
        TracedChild child([] {}, [&] {
            const std::unique_ptr<ContentWriter> writer = store->create(digest_, kLineage);
            const std::string chunk(1 << 20, 'x');
            for (int i = 0; i < 20; ++i) writer->append(chunk.data(), chunk.size());
        });
        std::vector<std::uint64_t> ranges;
        TracedChild::Call call;
        while (child.next()) {
            if (!child.isEntry(&call) || call.number != SYS_sync_file_range) continue;
            ranges.push_back(call.arguments[1]);
            ranges.push_back(call.arguments[2]);
        }
        CPPUNIT_ASSERT(child.succeeded());
        return ranges;
    }

    // The calls of `body` that a power failure cares about.
    std::string callsOf(const std::function<void()>& setup, const std::function<void()>& body) {
        TracedChild child(setup, body);
        std::string seen;
        TracedChild::Call call;
        while (child.next()) {
            if (child.isEntry(&call)) seen += describe(child, call);
        }
        CPPUNIT_ASSERT(child.succeeded());
        return seen;
    }

    static unsigned countSyncs(const std::string& seen) {
        unsigned count = 0;
        for (std::size_t at = seen.find("sync"); at != std::string::npos;
             at = seen.find("sync", at + 1)) {
            ++count;
        }
        return count;
    }

    std::string describe(const TracedChild& child, const TracedChild::Call& call) const {
        if (call.number == SYS_renameat2) return "rename ";
#ifdef SYS_renameat
        if (call.number == SYS_renameat) return "rename ";
#endif
        if (call.number != SYS_fsync) return std::string();
        std::string name = child.nameOf(call.arguments[0]);
        std::string metadata = fixture_.file(metadataFile(digest_));
        std::string directory = std::filesystem::path(metadata).parent_path();
        if (startsWith(name, directory + "/.")) return "sync-scratch ";
        if (name == directory) return "sync-meta ";
        if (name == fixture_.file(temporaryFile(digest_, kLineage))) return "sync-data ";
        std::string blob = fixture_.file(blobFile(digest_));
        if (name == std::filesystem::path(blob).parent_path()) return "sync-blobs ";
        return "sync-other ";
    }

    StoreFixture fixture_;
    const Digest digest_ = sha256(kText);
    const RepositoryKey where_{"up.test", "some/thing"};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreDurabilityTest);

}  // namespace ociproxy
