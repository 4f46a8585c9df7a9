#include "integration/fixtures.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

const char* const kManifestType = "application/vnd.oci.image.manifest.v1+json";
const char* const kIndexType = "application/vnd.oci.image.index.v1+json";
const char* const kDockerType = "application/vnd.docker.distribution.manifest.v2+json";

namespace {

std::string descriptor(const std::string& type, const std::string& bytes,
                       const std::string& more = {}) {
    return cat("{ \"size\": ", bytes.size(), ",\n \"digest\":\"", digestText(bytes),
               "\", \"mediaType\" : \"", type, "\"", more, " }");
}

std::string platform(const std::string& architecture) {
    return cat(", \"platform\": {\"os\":\"linux\",\"architecture\":\"", architecture, "\"}");
}

}  // namespace

std::string randomBytes(std::size_t size) {
    std::mt19937_64 generator(random64());
    std::string bytes(size, '\0');
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        const std::uint64_t word = generator();
        std::memcpy(&bytes[at], &word, std::min(sizeof word, size - at));
    }
    return bytes;
}

std::string digestText(const std::string& bytes) {
    return digestOf(DigestAlgorithm::kSha256, bytes).text();
}

std::string sha512Text(const std::string& bytes) {
    return digestOf(DigestAlgorithm::kSha512, bytes).text();
}

std::string imageManifest(const std::string& config, const std::vector<std::string>& layers) {
    std::string list;
    for (const std::string& layer : layers) {
        if (!list.empty()) list += ",\n";
        list += descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer);
    }
    return cat("{\n  \"schemaVersion\":2,  \"mediaType\": \"", kManifestType, "\",\n  \"config\": ",
               descriptor("application/vnd.oci.image.config.v1+json", config),
               ",\n  \"layers\": [", list, "]\n}\n");
}

std::string imageIndex(const std::string& amd64, const std::string& arm64) {
    return cat("{\"schemaVersion\": 2, \"mediaType\": \"", kIndexType, "\", \"manifests\": [\n",
               descriptor(kManifestType, amd64, platform("amd64")), ",\n",
               descriptor(kManifestType, arm64, platform("arm64")), "]}");
}

}  // namespace ociproxy::itest
