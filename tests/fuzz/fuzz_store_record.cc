// The small files of the store: what is read from one and written again reads the same.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "store/links.h"
#include "store/metadata.h"

namespace ociproxy::fuzz {
namespace {

// What is written has only printable ASCII.
bool isKept(const std::optional<std::string>& text) { return !text || isPrintable(*text); }

void checkMetadata(const std::string& text) {
    const std::optional<ContentInfo> info = parseMetadata(text);
    if (!info) return;
    const std::string written = formatMetadata(*info);
    const std::optional<ContentInfo> again = parseMetadata(written);
    FUZZ_CHECK(again && formatMetadata(*again) == written && endsWith(written, "\n"));
    FUZZ_CHECK(again->size == info->size && again->fetchedAt == info->fetchedAt);
    FUZZ_CHECK(again->isPublic == info->isPublic);
    FUZZ_CHECK(!isKept(info->blobType) || again->blobType == info->blobType);
    FUZZ_CHECK(!isKept(info->manifestType) || again->manifestType == info->manifestType);
    FUZZ_CHECK(!isPrintable(info->origin) || again->origin == info->origin);
    const std::string merged = formatMetadata(mergeInfo(*info, *again));
    FUZZ_CHECK(parseMetadata(merged)->size == info->size);
}

void checkTag(const std::string& text) {
    const std::optional<TagEntry> entry = parseTag(text);
    if (!entry) return;
    const std::optional<TagEntry> again = parseTag(formatTag(*entry, "t"));
    FUZZ_CHECK(again && again->digest == entry->digest && again->next == entry->next);
    FUZZ_CHECK(again->size == entry->size && again->checkedAt == entry->checkedAt);
    FUZZ_CHECK(!isPrintable(entry->mediaType) || again->mediaType == entry->mediaType);
}

void checkLink(const std::string& text) {
    const std::optional<Link> link = parseLink(text);
    if (!link) return;
    const std::optional<Link> again = parseLink(formatLink(*link));
    FUZZ_CHECK(again && again->confirmedAt == link->confirmedAt);
}

}  // namespace

FUZZ_TARGET(store_record) {
    const std::string text(input);
    checkMetadata(text);
    checkTag(text);
    checkLink(text);
}

}  // namespace ociproxy::fuzz
