// Content for the fake registry: random blobs, manifests and indexes by hand.
#ifndef OCIPROXY_TESTS_INTEGRATION_FIXTURES_H
#define OCIPROXY_TESTS_INTEGRATION_FIXTURES_H

#include <cstddef>
#include <string>
#include <vector>

namespace ociproxy::itest {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;
// What the proxy holds back until a digest is verified.
constexpr std::size_t kHoldBack = 64 * kKiB;

extern const char* const kManifestType;   // OCI image manifest
extern const char* const kIndexType;      // OCI image index
extern const char* const kDockerType;     // Docker schema 2

// `size` bytes that differ with every call.
std::string randomBytes(std::size_t size);
std::string digestText(const std::string& bytes);        // sha256:...
std::string sha512Text(const std::string& bytes);        // sha512:...

// An image manifest of a config blob and layers; not in canonical form, so that a
// proxy that writes JSON anew changes its digest.
std::string imageManifest(const std::string& config, const std::vector<std::string>& layers);
// An index of two manifests, amd64 and arm64.
std::string imageIndex(const std::string& amd64, const std::string& arm64);

}  // namespace ociproxy::itest

#endif
