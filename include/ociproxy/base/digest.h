#ifndef OCIPROXY_BASE_DIGEST_H
#define OCIPROXY_BASE_DIGEST_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ociproxy {

// The algorithms that we can compute (OCI image-spec, "Registered algorithms").
// Nothing is ever stored under an algorithm that is not here.
enum class DigestAlgorithm : std::uint8_t { kSha256, kSha384, kSha512 };

// "sha256", ...; a static string, safe as a path component.
const char* algorithmName(DigestAlgorithm algorithm) noexcept;
// Length of the hexadecimal part: 64, 96 or 128.
std::size_t hexLength(DigestAlgorithm algorithm) noexcept;
std::optional<DigestAlgorithm> parseAlgorithm(std::string_view name) noexcept;

// A validated digest: a known algorithm and its lower-case hexadecimal value.
// A plain value; because the only ways to make one validate, its parts are safe
// in paths.
class Digest {
public:
    // "sha256:<64 lower-case hex>" and so on; nothing else gives a value.
    static std::optional<Digest> parse(std::string_view text);
    // REQUIRES: `bytes` has the algorithm's size.
    static Digest fromBytes(DigestAlgorithm algorithm, const std::uint8_t* bytes);

    DigestAlgorithm algorithm() const noexcept { return algorithm_; }
    const char* algorithmText() const noexcept { return algorithmName(algorithm_); }
    const std::string& hex() const noexcept { return hex_; }
    std::string text() const;  // "sha256:..."

    friend bool operator==(const Digest& a, const Digest& b) noexcept {
        return a.algorithm_ == b.algorithm_ && a.hex_ == b.hex_;
    }
    friend bool operator!=(const Digest& a, const Digest& b) noexcept { return !(a == b); }
    friend bool operator<(const Digest& a, const Digest& b) noexcept {
        return a.algorithm_ != b.algorithm_ ? a.algorithm_ < b.algorithm_ : a.hex_ < b.hex_;
    }

private:
    Digest(DigestAlgorithm algorithm, std::string hex)
        : algorithm_(algorithm), hex_(std::move(hex)) {}

    DigestAlgorithm algorithm_;
    std::string hex_;
};

// Computes a digest over bytes that arrive in pieces. One thread at a time.
class Hasher {
public:
    explicit Hasher(DigestAlgorithm algorithm);
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;

    void update(const void* data, std::size_t size);
    // The digest of everything so far. REQUIRES: called once; the hasher is spent.
    Digest finish();

private:
    struct Context;
    DigestAlgorithm algorithm_;
    std::unique_ptr<Context> context_;
};

Digest digestOf(DigestAlgorithm algorithm, std::string_view data);

// SHA-256 of `data`, raw: the form of keys in shared memory.
using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256Of(std::string_view data);
// Lower-case hexadecimal of SHA-256 of `data`: the form of names on disk.
std::string sha256Hex(std::string_view data);

// `count` random bytes of the operating system's generator, as lower-case hex.
std::string randomHex(std::size_t count);
std::uint64_t random64();

}  // namespace ociproxy

#endif
