// Small files that are replaced as a whole: whoever reads sees the old or the new one.
// Functions without state; any thread and any number of processes at once.
#ifndef OCIPROXY_SRC_STORE_SMALL_FILE_H
#define OCIPROXY_SRC_STORE_SMALL_FILE_H

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ociproxy {

// What is larger is not ours and is not read; never written either.
constexpr std::size_t kMaxSmallFile = 64 * 1024;

// kYes: file and directory are synced before the return.
enum class Sync { kNo, kYes };

// Writes `content` beside `name` and renames it over that. Nothing is left behind on
// failure but by a crash; Store::reapTemporary() finds that. Throws SysError naming `what`.
void replaceSmallFile(int directory, const std::string& name, std::string_view content,
                      Sync sync, const std::string& what);

// nullopt when `name` is absent, not a regular file of ours, or too large. Throws
// SysError naming `what`.
std::optional<std::string> readSmallFile(int root, const std::string& path,
                                         const std::string& what);

}  // namespace ociproxy

#endif
