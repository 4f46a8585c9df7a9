// Looking at committed content with suspicion: its kind, its record, its bytes. Functions
// without state; any process; others may change the tree meanwhile. Throw SysError for
// what the disk does wrong elsewhere than in the content.
#ifndef OCIPROXY_SRC_STORE_CONTENT_CHECK_H
#define OCIPROXY_SRC_STORE_CONTENT_CHECK_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "store/quarantine.h"

namespace ociproxy {

class Tree;

constexpr DigestAlgorithm kAlgorithms[] = {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                           DigestAlgorithm::kSha512};

// The names in blobs/<algorithm>/<fan-out>.
struct FanOutNames {
    std::vector<Digest> content;  // sorted
    std::vector<std::string> foreign;
};
FanOutNames namesInFanOut(Tree& tree, DigestAlgorithm algorithm, unsigned fanOut);

struct CheckedContent {
    std::optional<Damage> damage;
    std::string detail;  // of the damage, as for Quarantine::take()
    std::uint64_t bytes = 0;  // that were read
    std::optional<struct stat> status;  // nullopt: it is gone
    std::optional<struct stat> record;  // of kMetadata, if there is any
};

// Called after every piece that was read.
using Spend = std::function<void(std::uint64_t bytes)>;

// Reads all of it, without marking a use and without leaving in the page cache what was
// not there before.
CheckedContent checkContent(Tree& tree, const Digest& digest, const Spend& spend);

// Moves what was found damaged out of the way, content and record alike where the record is
// what is wrong.
void setAsideChecked(Quarantine& quarantine, const Digest& digest, const CheckedContent& found);

}  // namespace ociproxy

#endif
