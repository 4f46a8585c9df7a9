#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

const RepositoryKey kWhere{"up.test", "library/alpine"};

std::string repositoryOf(const RepositoryKey& where) {
    return "repos/" + sha256Hex(where.upstream + '\0' + where.repository);
}

std::string linkFile(const RepositoryKey& where, const std::string& kind, const Digest& digest) {
    return cat(repositoryOf(where), "/links/", kind, '-', digest.algorithmText(), '-',
               digest.hex());
}

}  // namespace

class StoreLinksTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreLinksTest);
    CPPUNIT_TEST(absentUntilPut);
    CPPUNIT_TEST(kindsUpstreamsAndRepositoriesAreSeparate);
    CPPUNIT_TEST(anotherInstanceSeesIt);
    CPPUNIT_TEST(confirmingAgainRenewsIt);
    CPPUNIT_TEST(syncingChangesNothing);
    CPPUNIT_TEST(droppedIsAbsent);
    CPPUNIT_TEST(failingDropsAreLogged);
    CPPUNIT_TEST(repositoriesHaveTheirNamesInThem);
    CPPUNIT_TEST(whatDoesNotParseIsAbsent);
    CPPUNIT_TEST(plantedThingsAreAbsent);
    CPPUNIT_TEST(plantedLinkIsReplacedNotFollowed);
    CPPUNIT_TEST(everyAlgorithm);
    CPPUNIT_TEST(modesAndLeftOvers);
    CPPUNIT_TEST(manyProcessesAtOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { fixture_ = std::make_unique<StoreFixture>(); }
    void tearDown() override { fixture_.reset(); }

    void absentUntilPut() {
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
        for (bool durable : {false, true}) {
            Digest digest = sha256(durable ? "durable" : "not");
            std::int64_t before = wallSeconds();
            store().putLink(kWhere, ContentKind::kBlob, digest, durable);
            std::optional<Link> link = store().link(kWhere, ContentKind::kBlob, digest);
            CPPUNIT_ASSERT(link);
            CPPUNIT_ASSERT(link->confirmedAt >= before);
            CPPUNIT_ASSERT(link->confirmedAt <= wallSeconds());
        }
    }

    void kindsUpstreamsAndRepositoriesAreSeparate() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kManifest, digest_));
        CPPUNIT_ASSERT(!store().link({"other.test", "library/alpine"}, ContentKind::kBlob,
                                     digest_));
        CPPUNIT_ASSERT(!store().link({"up.test", "library/alpin"}, ContentKind::kBlob, digest_));
        CPPUNIT_ASSERT(!store().link({"up.test/library", "alpine"}, ContentKind::kBlob, digest_));
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, sha256("other")));
    }

    void anotherInstanceSeesIt() {
        store().putLink(kWhere, ContentKind::kManifest, digest_, false);
        CPPUNIT_ASSERT(fixture_->another()->link(kWhere, ContentKind::kManifest, digest_));
    }

    void confirmingAgainRenewsIt() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        writeFile(fixture_->file(linkFile(kWhere, "blob", digest_)), "{\"confirmed\":17}");
        CPPUNIT_ASSERT_EQUAL(std::int64_t{17},
                             store().link(kWhere, ContentKind::kBlob, digest_)->confirmedAt);
        store().putLink(kWhere, ContentKind::kBlob, digest_, false);
        CPPUNIT_ASSERT(store().link(kWhere, ContentKind::kBlob, digest_)->confirmedAt > 17);
    }

    void syncingChangesNothing() {
        store().syncLink(kWhere, ContentKind::kBlob, digest_);  // not even a directory
        store().putLink(kWhere, ContentKind::kBlob, digest_, false);
        writeFile(fixture_->file(linkFile(kWhere, "blob", digest_)), "{\"confirmed\":17}");
        store().syncLink(kWhere, ContentKind::kBlob, digest_);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{17},
                             store().link(kWhere, ContentKind::kBlob, digest_)->confirmedAt);
        store().dropLink(kWhere, ContentKind::kBlob, digest_);
        store().syncLink(kWhere, ContentKind::kBlob, digest_);
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
    }

    void droppedIsAbsent() {
        store().dropLink(kWhere, ContentKind::kBlob, digest_);  // not even a directory
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        store().putLink(kWhere, ContentKind::kManifest, digest_, true);
        store().dropLink(kWhere, ContentKind::kBlob, digest_);
        store().dropLink(kWhere, ContentKind::kBlob, digest_);
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
        CPPUNIT_ASSERT(store().link(kWhere, ContentKind::kManifest, digest_));
        CPPUNIT_ASSERT(fixture_->logLines().empty());
    }

    void failingDropsAreLogged() {
        std::filesystem::create_directories(
            fixture_->file(linkFile(kWhere, "blob", digest_)));
        store().dropLink(kWhere, ContentKind::kBlob, digest_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, fixture_->logLines().size());
        CPPUNIT_ASSERT(fixture_->logLines()[0].find("unlink") != std::string::npos);
    }

    void repositoriesHaveTheirNamesInThem() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, false);
        std::string name = fixture_->file(repositoryOf(kWhere) + "/name");
        CPPUNIT_ASSERT_EQUAL(std::string("up.test\nlibrary/alpine\n"), readFile(name));
        // A repository begun by a process that was killed has its name before its links.
        RepositoryKey other{"up.test", "other"};
        store().putTag(other, "latest", TagEntry{digest_, "text/plain", 1, 2, {}});
        CPPUNIT_ASSERT_EQUAL(std::string("up.test\nother\n"),
                             readFile(fixture_->file(repositoryOf(other) + "/name")));
    }

    void whatDoesNotParseIsAbsent() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        std::string file = fixture_->file(linkFile(kWhere, "blob", digest_));
        for (const std::string& text :
             {std::string(), std::string("{"), std::string("17"), std::string("[17]"),
              std::string("{}"), std::string("{\"confirmed\":\"17\"}"),
              std::string("{\"confirmed\":true}"), std::string("{\"confirmed\":null}"),
              std::string("{\"confirmed\":1.5}"), std::string("{\"confirmed\":{}}"),
              std::string("{\"confirmed\":-253402300800}"),
              std::string("{\"confirmed\":253402300800}"),
              std::string("{\"confirmed\":1e3}"), std::string("{\"confirmed\":17}x"),
              std::string(4096, '\0'), std::string(30000, '['), std::string("\xff\xfe{}"),
              "{\"confirmed\":17}" + std::string(64 * 1024, ' ')}) {
            writeFile(file, text);
            CPPUNIT_ASSERT_MESSAGE(text.substr(0, 40),
                                   !store().link(kWhere, ContentKind::kBlob, digest_));
        }
        writeFile(file, "{\"confirmed\":17}");
        CPPUNIT_ASSERT(store().link(kWhere, ContentKind::kBlob, digest_));
    }

    void plantedThingsAreAbsent() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        std::string file = fixture_->file(linkFile(kWhere, "blob", digest_));
        std::string elsewhere = fixture_->root.file("elsewhere");
        std::filesystem::rename(file, elsewhere);
        CPPUNIT_ASSERT_EQUAL(0, ::symlink(elsewhere.c_str(), file.c_str()));
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
        std::filesystem::remove(file);
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(file.c_str(), 0600));
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
    }

    void plantedLinkIsReplacedNotFollowed() {
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        std::string file = fixture_->file(linkFile(kWhere, "blob", digest_));
        std::string victim = fixture_->root.file("victim");
        writeFile(victim, "precious");
        std::filesystem::remove(file);
        CPPUNIT_ASSERT_EQUAL(0, ::symlink(victim.c_str(), file.c_str()));
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        CPPUNIT_ASSERT_EQUAL(std::string("precious"), readFile(victim));
        CPPUNIT_ASSERT(S_ISREG(statusOfFile(file).st_mode));
        // A directory on the way that is a link is a fault.
        std::string links = fixture_->file(repositoryOf(kWhere) + "/links");
        std::filesystem::rename(links, fixture_->root.file("links"));
        CPPUNIT_ASSERT_EQUAL(0, ::symlink(fixture_->root.file("links").c_str(), links.c_str()));
        CPPUNIT_ASSERT(!store().link(kWhere, ContentKind::kBlob, digest_));
        CPPUNIT_ASSERT_THROW(store().putLink(kWhere, ContentKind::kBlob, digest_, true),
                             SysError);
    }

    void everyAlgorithm() {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                          DigestAlgorithm::kSha512}) {
            Digest digest = digestOf(algorithm, "content");
            store().putLink(kWhere, ContentKind::kManifest, digest, true);
            CPPUNIT_ASSERT(store().link(kWhere, ContentKind::kManifest, digest));
            CPPUNIT_ASSERT(exists(fixture_->file(linkFile(kWhere, "manifest", digest))));
        }
    }

    void modesAndLeftOvers() {
        mode_t old = ::umask(0);
        store().putLink(kWhere, ContentKind::kBlob, digest_, true);
        ::umask(old);
        std::string repository = fixture_->file(repositoryOf(kWhere));
        CPPUNIT_ASSERT_EQUAL(mode_t{0700}, statusOfFile(repository).st_mode & 07777);
        CPPUNIT_ASSERT_EQUAL(mode_t{0700}, statusOfFile(repository + "/links").st_mode & 07777);
        CPPUNIT_ASSERT_EQUAL(
            mode_t{0600},
            statusOfFile(fixture_->file(linkFile(kWhere, "blob", digest_))).st_mode & 07777);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, namesIn(repository + "/links").size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, namesIn(repository).size());
    }

    // All begin with the repository's directory missing.
    void manyProcessesAtOnce() {
        constexpr int kRounds = 20;
        WordPipe start;
        std::vector<std::unique_ptr<Child>> children;
        for (int i = 0; i < 4; ++i) {
            children.push_back(std::make_unique<Child>([&] {
                std::unique_ptr<Store> own = fixture_->another();
                if (!start.receive()) throw Error("no start");
                for (int round = 0; round < kRounds; ++round) {
                    RepositoryKey where{"up.test", cat("r", round)};
                    own->putLink(where, ContentKind::kBlob, digest_, true);
                    if (!own->link(where, ContentKind::kBlob, digest_)) throw Error("lost");
                }
            }));
        }
        start.send("xxxx");
        for (std::unique_ptr<Child>& child : children) CPPUNIT_ASSERT(child->succeeded());
        CPPUNIT_ASSERT_EQUAL(std::size_t{kRounds}, namesIn(fixture_->file("repos")).size());
    }

private:
    Store& store() { return *fixture_->store; }

    std::unique_ptr<StoreFixture> fixture_;
    const Digest digest_ = sha256("content");
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreLinksTest);

}  // namespace ociproxy
