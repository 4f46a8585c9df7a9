#include "support/store_fixture.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/runner.h"

namespace ociproxy {

namespace {

std::string makeDirectory(const std::string& parent) {
    std::string base = parent.empty() ? std::filesystem::temp_directory_path().string() : parent;
    std::string name = base + "/ociproxy-store.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throwErrno("mkdtemp " + name);
    return name;
}

}  // namespace

ScratchDirectory::ScratchDirectory(const std::string& parent) : path_(makeDirectory(parent)) {}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string memoryDirectory() {
    static const char kPath[] = "/dev/shm";
    return ::access(kPath, W_OK | X_OK) == 0 ? kPath : std::string();
}

StoreFixture::StoreFixture(const std::string& parent)
    : root(parent), cache(root.file("cache")), log(root.file("log"), LogLevel::kInfo),
      lock(Store::prepare(cache, Millis{0})), store(another()) {}

StoreFixture::~StoreFixture() = default;

std::unique_ptr<Store> StoreFixture::another(Durability durability) {
    Store::Options options;
    options.directory = cache;
    options.log = &log;
    options.durability = durability;
    return std::make_unique<Store>(options);
}

std::vector<std::string> StoreFixture::logLines() const {
    std::vector<std::string> lines;
    std::istringstream in(readFile(root.file("log")));
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

Digest StoreFixture::put(const std::string& content, ContentKind kind) {
    storeContent(*store, content,
                 kind == ContentKind::kBlob ? blobInfo(content.size())
                                            : manifestInfo(content.size()),
                 random64());
    return sha256(content);
}

Digest sha256(const std::string& content) {
    return digestOf(DigestAlgorithm::kSha256, content);
}

ContentInfo blobInfo(std::uint64_t size) {
    ContentInfo info;
    info.size = size;
    info.blobType = "application/octet-stream";
    info.origin = "up.test";
    info.fetchedAt = 1700000000;
    return info;
}

ContentInfo manifestInfo(std::uint64_t size) {
    ContentInfo info = blobInfo(size);
    info.blobType.reset();
    info.manifestType = "application/vnd.oci.image.manifest.v1+json";
    return info;
}

void storeContent(Store& store, const std::string& content, const ContentInfo& info,
                  std::uint64_t lineage) {
    std::unique_ptr<ContentWriter> writer = store.create(sha256(content), lineage);
    writer->append(content.data(), content.size());
    if (!writer->matches()) throw Error("the writer does not know its own content");
    writer->commit(info);
}

std::string contentOf(const StoredContent& content) {
    std::string out(static_cast<std::size_t>(content.info.size), '\0');
    out.resize(preadAll(content.file->get(), out.data(), out.size(), 0, "stored content"));
    return out;
}

std::string blobFile(const Digest& digest) {
    return cat("blobs/", digest.algorithmText(), '/', digest.hex().substr(0, 2), '/',
               digest.hex());
}

std::string metadataFile(const Digest& digest) {
    return cat("meta/", digest.algorithmText(), '/', digest.hex().substr(0, 2), '/',
               digest.hex(), ".json");
}

std::string temporaryFile(const Digest& digest, std::uint64_t lineage) {
    char number[17];
    std::snprintf(number, sizeof number, "%016llx", static_cast<unsigned long long>(lineage));
    return cat("tmp/", digest.algorithmText(), '-', digest.hex(), '.', number);
}

std::string readFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void writeFile(const std::string& path, const std::string& text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) throw Error("cannot write " + path);
}

bool exists(const std::string& path) {
    struct stat status = {};
    return ::lstat(path.c_str(), &status) == 0;
}

struct stat statusOfFile(const std::string& path) {
    struct stat status = {};
    if (::lstat(path.c_str(), &status) != 0) throwErrno("lstat " + path);
    return status;
}

std::vector<std::string> namesIn(const std::string& path) {
    std::vector<std::string> names;
    std::error_code missing;
    for (const std::filesystem::directory_entry& entry :
         std::filesystem::directory_iterator(path, missing)) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> filesBelow(const std::string& path) {
    std::vector<std::string> files;
    std::error_code missing;
    for (const std::filesystem::directory_entry& entry :
         std::filesystem::recursive_directory_iterator(path, missing)) {
        if (!entry.is_symlink() && entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

void setTimes(const std::string& path, std::int64_t accessed, std::int64_t written) {
    std::int64_t wall = wallSeconds();
    struct timespec times[2] = {};
    times[0].tv_sec = wall + accessed;
    times[1].tv_sec = wall + written;
    if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
        throwErrno("utimensat " + path);
    }
}

void giveAway(const std::string& path) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() != 0) skipTest("only root can give files away");
    if (::lchown(path.c_str(), kNobody, kNobody) != 0) throwErrno("lchown " + path);
}

std::vector<std::string> damagedBlobs(const std::string& cache) {
    std::vector<std::string> damaged;
    for (const std::string& file : filesBelow(cache + "/blobs")) {
        std::filesystem::path path(file);
        std::string algorithm = path.parent_path().parent_path().filename();
        std::optional<DigestAlgorithm> known = parseAlgorithm(algorithm);
        std::string name = path.filename();
        if (!known || digestOf(*known, readFile(file)).hex() != name) damaged.push_back(file);
    }
    return damaged;
}

Child::Child(const std::function<void()>& body) {
    pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throwErrno("fork");
    if (pid_ > 0) return;
    int status = 1;
    try {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() == parent) body();
        status = 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "child: %s\n", error.what());
    }
    ::_exit(status);
}

Child::~Child() {
    if (pid_ < 0) return;
    kill();
    wait();
}

void Child::kill() noexcept {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int Child::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
        if (errno != EINTR) break;
    }
    pid_ = -1;
    return status;
}

bool Child::succeeded() {
    int status = wait();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

WordPipe::WordPipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throwErrno("pipe");
    receiver_.reset(ends[0]);
    sender_.reset(ends[1]);
}

void WordPipe::send(const std::string& text) {
    writeAll(sender_.get(), text.data(), text.size(), "write to pipe");
}

bool WordPipe::receive() {
    char byte;
    return receiveByte(&byte);
}

std::string WordPipe::receiveLine() {
    std::string line;
    for (char byte; receiveByte(&byte) && byte != '\n';) line += byte;
    return line;
}

bool WordPipe::receiveByte(char* byte) {
    ssize_t count;
    do {
        count = ::read(receiver_.get(), byte, 1);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

std::string WordPipe::receiveAll() {
    sender_.reset();
    std::string out;
    char buffer[4096];
    for (;;) {
        ssize_t count = ::read(receiver_.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return out;
        out.append(buffer, static_cast<std::size_t>(count));
    }
}

}  // namespace ociproxy
