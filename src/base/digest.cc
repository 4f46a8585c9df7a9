#include "ociproxy/base/digest.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>
#include <sys/random.h>
#include <utility>

#include <openssl/evp.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

struct AlgorithmRow {
    const char* name;
    std::size_t bytes;
};

const AlgorithmRow kAlgorithms[] = {{"sha256", 32}, {"sha384", 48}, {"sha512", 64}};

const AlgorithmRow& row(DigestAlgorithm algorithm) noexcept {
    std::size_t index = static_cast<std::size_t>(algorithm);
    OCIPROXY_ASSERT(index < std::size(kAlgorithms));
    return kAlgorithms[index];
}

const EVP_MD* evpOf(DigestAlgorithm algorithm) noexcept {
    switch (algorithm) {
    case DigestAlgorithm::kSha256: return EVP_sha256();
    case DigestAlgorithm::kSha384: return EVP_sha384();
    case DigestAlgorithm::kSha512: return EVP_sha512();
    }
    OCIPROXY_ASSERT(!"a known algorithm");
    return nullptr;
}

void requireEvp(int result, const char* what) {
    if (result != 1) throw Error(std::string(what) + " failed in libcrypto");
}

bool isLowerHex(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::string toHex(const std::uint8_t* bytes, std::size_t count) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out(count * 2, '0');
    for (std::size_t i = 0; i < count; ++i) {
        out[2 * i] = kDigits[bytes[i] >> 4];
        out[2 * i + 1] = kDigits[bytes[i] & 15];
    }
    return out;
}

void fillRandom(void* to, std::size_t size) {
    char* at = static_cast<char*>(to);
    while (size > 0) {
        ssize_t count = ::getrandom(at, size, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throwErrno("getrandom");
        at += count;
        size -= static_cast<std::size_t>(count);
    }
}

}  // namespace

const char* algorithmName(DigestAlgorithm algorithm) noexcept {
    return row(algorithm).name;
}

std::size_t hexLength(DigestAlgorithm algorithm) noexcept {
    return row(algorithm).bytes * 2;
}

std::optional<DigestAlgorithm> parseAlgorithm(std::string_view name) noexcept {
    for (std::size_t i = 0; i < std::size(kAlgorithms); ++i) {
        if (name == kAlgorithms[i].name) return static_cast<DigestAlgorithm>(i);
    }
    return std::nullopt;
}

std::optional<Digest> Digest::parse(std::string_view text) {
    std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::optional<DigestAlgorithm> algorithm = parseAlgorithm(text.substr(0, colon));
    std::string_view hex = text.substr(colon + 1);
    if (!algorithm || hex.size() != hexLength(*algorithm)) return std::nullopt;
    if (!std::all_of(hex.begin(), hex.end(), isLowerHex)) return std::nullopt;
    return Digest(*algorithm, std::string(hex));
}

Digest Digest::fromBytes(DigestAlgorithm algorithm, const std::uint8_t* bytes) {
    return Digest(algorithm, toHex(bytes, row(algorithm).bytes));
}

std::string Digest::text() const {
    std::string out = algorithmText();
    out += ':';
    out += hex_;
    return out;
}

struct Hasher::Context {
    Context() : evp(EVP_MD_CTX_new()) {
        if (evp == nullptr) throw std::bad_alloc();
    }
    ~Context() { EVP_MD_CTX_free(evp); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    EVP_MD_CTX* evp;
};

Hasher::Hasher(DigestAlgorithm algorithm)
    : algorithm_(algorithm), context_(std::make_unique<Context>()) {
    requireEvp(EVP_DigestInit_ex(context_->evp, evpOf(algorithm), nullptr), "EVP_DigestInit_ex");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(const void* data, std::size_t size) {
    OCIPROXY_ASSERT(context_ != nullptr);
    requireEvp(EVP_DigestUpdate(context_->evp, data, size), "EVP_DigestUpdate");
}

Digest Hasher::finish() {
    OCIPROXY_ASSERT(context_ != nullptr);
    std::uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    requireEvp(EVP_DigestFinal_ex(context_->evp, bytes, &size), "EVP_DigestFinal_ex");
    OCIPROXY_ASSERT(size == row(algorithm_).bytes);
    context_.reset();
    return Digest::fromBytes(algorithm_, bytes);
}

Digest digestOf(DigestAlgorithm algorithm, std::string_view data) {
    Hasher hasher(algorithm);
    hasher.update(data.data(), data.size());
    return hasher.finish();
}

Sha256 sha256Of(std::string_view data) {
    Sha256 out{};
    requireEvp(EVP_Digest(data.data(), data.size(), out.data(), nullptr, EVP_sha256(), nullptr),
               "EVP_Digest");
    return out;
}

std::string sha256Hex(std::string_view data) {
    Sha256 bytes = sha256Of(data);
    return toHex(bytes.data(), bytes.size());
}

std::string randomHex(std::size_t count) {
    std::string bytes(count, '\0');
    fillRandom(bytes.data(), bytes.size());
    return toHex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::uint64_t random64() {
    std::uint64_t value = 0;
    fillRandom(&value, sizeof value);
    return value;
}

}  // namespace ociproxy
