#include "store/layout.h"

#include <algorithm>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kRandomDigits = 16;
constexpr std::size_t kLineageDigits = 16;
constexpr std::string_view kPartialSuffix = ".partial";

std::string hexDigits(std::uint64_t value, std::size_t count) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out(count, '0');
    for (std::size_t i = count; i > 0; --i, value >>= 4) out[i - 1] = kDigits[value & 15];
    return out;
}

bool isLowerHex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

std::string fanOutDirectory(const char* top, const Digest& digest) {
    return cat(top, '/', digest.algorithmText(), '/', digest.hex().substr(0, 2));
}

// The last `count` characters of a name that ends with '.' and that many hex digits.
std::optional<std::string_view> hexSuffix(std::string_view name, std::size_t count) noexcept {
    if (name.size() < count + 1 || name[name.size() - count - 1] != '.') return std::nullopt;
    std::string_view digits = name.substr(name.size() - count);
    if (!isLowerHex(digits)) return std::nullopt;
    return digits;
}

// Of "sha256-<hex>".
std::optional<Digest> digestOfName(std::string_view name) {
    std::string digest(name);
    const std::size_t dash = digest.find('-');
    if (dash == std::string::npos) return std::nullopt;
    digest[dash] = ':';
    return Digest::parse(digest);
}

}  // namespace

const char* contentKindName(ContentKind kind) noexcept {
    return kind == ContentKind::kBlob ? "blob" : "manifest";
}

std::string fanOutName(unsigned index) {
    return hexDigits(index, 2);
}

StorePath contentPath(const Digest& digest) {
    return {fanOutDirectory(kBlobsDirectory, digest), digest.hex()};
}

StorePath metadataPath(const Digest& digest) {
    return {fanOutDirectory(kMetadataDirectory, digest), digest.hex() + ".json"};
}

StorePath temporaryPath(const Digest& digest, std::uint64_t lineage) {
    return {kTemporaryDirectory, cat(digest.algorithmText(), '-', digest.hex(), '.',
                                     hexDigits(lineage, kLineageDigits))};
}

StorePath partialPath(const Digest& digest) {
    return {kTemporaryDirectory, cat(digest.algorithmText(), '-', digest.hex(), kPartialSuffix)};
}

std::string repositoryDirectory(const RepositoryKey& where) {
    // NUL is in neither name, so that no two pairs give one key.
    return cat(kRepositoriesDirectory, '/', sha256Hex(cat(where.upstream, '\0', where.repository)));
}

std::string linkName(ContentKind kind, const Digest& digest) {
    return cat(contentKindName(kind), '-', digest.algorithmText(), '-', digest.hex());
}

StorePath linkPath(const RepositoryKey& where, ContentKind kind, const Digest& digest) {
    return {cat(repositoryDirectory(where), '/', kLinksDirectory), linkName(kind, digest)};
}

StorePath tagPath(const RepositoryKey& where, const std::string& tag) {
    return {cat(repositoryDirectory(where), '/', kTagsDirectory), sha256Hex(tag) + ".json"};
}

std::optional<LinkName> parseLinkName(std::string_view name) {
    for (const ContentKind kind : {ContentKind::kBlob, ContentKind::kManifest}) {
        const std::string prefix = cat(contentKindName(kind), '-');
        if (!startsWith(name, prefix)) continue;
        std::string text(name.substr(prefix.size()));
        const std::size_t dash = text.find('-');
        if (dash == std::string::npos) return std::nullopt;
        text[dash] = ':';
        const std::optional<Digest> digest = Digest::parse(text);
        if (digest) return LinkName{kind, *digest};
    }
    return std::nullopt;
}

std::optional<Digest> parseRecordName(DigestAlgorithm algorithm, std::string_view name) {
    constexpr std::string_view kSuffix = ".json";
    if (!endsWith(name, kSuffix)) return std::nullopt;
    name.remove_suffix(kSuffix.size());
    return Digest::parse(cat(algorithmName(algorithm), ':', name));
}

std::optional<std::uint64_t> lineageOf(std::string_view temporaryName) {
    std::optional<std::string_view> digits = hexSuffix(temporaryName, kLineageDigits);
    if (!digits || !temporaryDigestOf(temporaryName)) return std::nullopt;
    std::uint64_t lineage = 0;
    for (char c : *digits) lineage = (lineage << 4) | static_cast<unsigned>(hexValue(c));
    return lineage;
}

std::optional<Digest> temporaryDigestOf(std::string_view temporaryName) {
    if (!hexSuffix(temporaryName, kLineageDigits)) return std::nullopt;
    return digestOfName(temporaryName.substr(0, temporaryName.size() - kLineageDigits - 1));
}

std::optional<Digest> partialDigestOf(std::string_view partialName) {
    if (!endsWith(partialName, kPartialSuffix)) return std::nullopt;
    return digestOfName(partialName.substr(0, partialName.size() - kPartialSuffix.size()));
}

bool isContentName(DigestAlgorithm algorithm, std::string_view fanOut, std::string_view name) {
    return name.size() == hexLength(algorithm) && fanOut.size() == 2 &&
           startsWith(name, fanOut) && isLowerHex(name);
}

std::string scratchName(const std::string& name) {
    return cat('.', name, '.', randomHex(kRandomDigits / 2));
}

bool isScratchName(std::string_view name) noexcept {
    return name.size() > kRandomDigits + 2 && name[0] == '.' &&
           hexSuffix(name, kRandomDigits).has_value();
}

}  // namespace ociproxy
