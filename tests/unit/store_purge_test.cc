// Taking tags, images and content out of the store by hand (purge.h).
#include "ociproxy/store/purge.h"

#include <filesystem>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/store_fixture.h"

namespace ociproxy {

class StorePurgeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StorePurgeTest);
    CPPUNIT_TEST(contentGoesFromEverywhere);
    CPPUNIT_TEST(repositoryGoesWithWhatOnlyItLinksTo);
    CPPUNIT_TEST(tagGoesWithItsImage);
    CPPUNIT_TEST(imageWithAnotherTagStays);
    CPPUNIT_TEST(layersOfOtherImagesStay);
    CPPUNIT_TEST(indexGoesWithItsImages);
    CPPUNIT_TEST(imageGoesWithItsTags);
    CPPUNIT_TEST(blobGoesAlone);
    CPPUNIT_TEST(nothingIsTouchedOfOtherRepositories);
    CPPUNIT_TEST(nothingFoundIsSaid);
    CPPUNIT_TEST(openFilesStayReadable);
    CPPUNIT_TEST(thereMayBeNoStore);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        purge_ = Purge::open(fixture_->cache);
        CPPUNIT_ASSERT(purge_);
    }
    void tearDown() override {
        purge_.reset();
        fixture_.reset();
    }

    void contentGoesFromEverywhere() {
        const Digest layer = addBlob(a_, "layer");
        link(b_, ContentKind::kBlob, layer);
        const PurgeReport report = purge_->digest(layer);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.files);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, report.bytes);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, report.links);
        CPPUNIT_ASSERT(!has(layer));
        CPPUNIT_ASSERT(purge_->digest(layer).nothing());
    }

    void repositoryGoesWithWhatOnlyItLinksTo() {
        const Digest shared = addBlob(a_, "shared");
        link(b_, ContentKind::kBlob, shared);
        const Digest own = addBlob(a_, "own");
        const Digest image = addImage(a_, {shared, own}, "1");
        const PurgeReport report = purge_->repository(a_);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.tags);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, report.links);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, report.files);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.shared);
        CPPUNIT_ASSERT(has(shared) && !has(own) && !has(image));
        CPPUNIT_ASSERT(!store().tag(a_, "1"));
        CPPUNIT_ASSERT(store().link(b_, ContentKind::kBlob, shared));
        CPPUNIT_ASSERT(!store().link(a_, ContentKind::kBlob, shared));
    }

    void tagGoesWithItsImage() {
        const Digest layer = addBlob(a_, "layer");
        const Digest image = addImage(a_, {layer}, "1");
        const PurgeReport report = purge_->tag(a_, "1");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.tags);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, report.files);
        CPPUNIT_ASSERT(!has(layer) && !has(image));
        CPPUNIT_ASSERT(namesIn(fixture_->file("blobs/sha256/" + image.hex().substr(0, 2))).empty());
    }

    void imageWithAnotherTagStays() {
        const Digest layer = addBlob(a_, "layer");
        const Digest image = addImage(a_, {layer}, "1");
        tag("latest", image);
        const PurgeReport report = purge_->tag(a_, "1");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.tags);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, report.files + report.links);
        CPPUNIT_ASSERT(has(layer) && has(image) && store().tag(a_, "latest"));
    }

    void layersOfOtherImagesStay() {
        const Digest base = addBlob(a_, "base");
        const Digest old = addBlob(a_, "old");
        const Digest first = addImage(a_, {base, old}, "1");
        const Digest fresh = addBlob(a_, "new");
        const Digest second = addImage(a_, {base, fresh}, "2");
        purge_->tag(a_, "1");
        CPPUNIT_ASSERT(has(base) && has(fresh) && has(second));
        CPPUNIT_ASSERT(!has(first) && !has(old));
        CPPUNIT_ASSERT(store().link(a_, ContentKind::kBlob, base));
    }

    void indexGoesWithItsImages() {
        const Digest amd64 = addBlob(a_, "amd64");
        const Digest arm64 = addBlob(a_, "arm64");
        const Digest one = addImage(a_, {amd64}, "");
        const Digest two = addImage(a_, {arm64}, "");
        const Digest index = addImage(a_, {one, two}, "1");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, purge_->tag(a_, "1").files);
        for (const Digest& digest : {amd64, arm64, one, two, index}) CPPUNIT_ASSERT(!has(digest));
    }

    void imageGoesWithItsTags() {
        const Digest layer = addBlob(a_, "layer");
        const Digest image = addImage(a_, {layer}, "1");
        tag("latest", image);
        const PurgeReport report = purge_->image(a_, image);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, report.tags);
        CPPUNIT_ASSERT(!has(layer) && !has(image));
    }

    void blobGoesAlone() {
        const Digest layer = addBlob(a_, "layer");
        const Digest image = addImage(a_, {layer}, "1");
        const PurgeReport report = purge_->image(a_, layer);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.files);
        CPPUNIT_ASSERT(!has(layer) && has(image) && store().tag(a_, "1"));
    }

    void nothingIsTouchedOfOtherRepositories() {
        const Digest layer = addBlob(b_, "layer");
        const Digest image = addImage(b_, {layer}, "1");
        CPPUNIT_ASSERT(purge_->image(a_, image).nothing());
        CPPUNIT_ASSERT(purge_->tag(a_, "1").nothing());
        CPPUNIT_ASSERT(purge_->repository(a_).nothing());
        CPPUNIT_ASSERT(has(layer) && has(image) && store().tag(b_, "1"));
    }

    void nothingFoundIsSaid() {
        CPPUNIT_ASSERT(purge_->digest(sha256("x")).nothing());
        CPPUNIT_ASSERT(purge_->tag(a_, "x").nothing());
    }

    void openFilesStayReadable() {
        const Digest layer = addBlob(a_, "layer");
        const std::optional<StoredContent> open = store().open(layer, ContentKind::kBlob);
        purge_->digest(layer);
        CPPUNIT_ASSERT_EQUAL(std::string("layer"), contentOf(*open));
        CPPUNIT_ASSERT(!has(layer));
    }

    void thereMayBeNoStore() {
        CPPUNIT_ASSERT(!Purge::open(fixture_->root.file("elsewhere")));
        CPPUNIT_ASSERT(!exists(fixture_->root.file("elsewhere")));
    }

private:
    Store& store() { return *fixture_->store; }
    bool has(const Digest& digest) {
        return store().open(digest, ContentKind::kBlob) ||
               store().open(digest, ContentKind::kManifest);
    }
    void link(const RepositoryKey& where, ContentKind kind, const Digest& digest) {
        store().putLink(where, kind, digest, false);
    }
    Digest addBlob(const RepositoryKey& where, const std::string& text) {
        const Digest digest = fixture_->put(text);
        link(where, ContentKind::kBlob, digest);
        return digest;
    }
    void tag(const std::string& name, const Digest& digest, const RepositoryKey& where) {
        store().putTag(where, name, TagEntry{digest, "", 1, 1, {}});
    }
    void tag(const std::string& name, const Digest& digest) { tag(name, digest, a_); }
    Digest addImage(const RepositoryKey& where, const std::vector<Digest>& parts,
                    const std::string& name) {
        std::string text = "{\"layers\":[";
        for (const Digest& part : parts) text += cat("{\"digest\":\"", part.text(), "\"},");
        const Digest digest = fixture_->put(text + "]}", ContentKind::kManifest);
        link(where, ContentKind::kManifest, digest);
        if (!name.empty()) tag(name, digest, where);
        return digest;
    }

    std::unique_ptr<StoreFixture> fixture_;
    std::unique_ptr<Purge> purge_;
    const RepositoryKey a_{"up.test", "a"};
    const RepositoryKey b_{"up.test", "b"};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StorePurgeTest);

}  // namespace ociproxy
