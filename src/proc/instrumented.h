// What a build for tests needs and a build for users must not have.
#ifndef OCIPROXY_SRC_PROC_INSTRUMENTED_H
#define OCIPROXY_SRC_PROC_INSTRUMENTED_H

namespace ociproxy {

#if defined(OCIPROXY_ASAN) || defined(OCIPROXY_TSAN) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

#ifdef OCIPROXY_COVERAGE
constexpr bool kCoverage = true;
#else
constexpr bool kCoverage = false;
#endif

}  // namespace ociproxy

#endif
