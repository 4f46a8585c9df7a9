#include "ociproxy/base/text.h"
#include "store/layout.h"
#include "store/links.h"
#include "store/record.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

std::optional<Digest> getDigest(const Record& record, const std::string& name) {
    std::optional<std::string> text = record.getText(name);
    return text ? Digest::parse(*text) : std::nullopt;
}

}  // namespace

std::string formatTag(const TagEntry& entry) {
    Record record;
    record.setText("digest", entry.digest.text());
    record.setText("mediaType", entry.mediaType);
    record.setNumber("size", entry.size);
    record.setTime("checked", entry.checkedAt);
    if (entry.next) record.setText("next", entry.next->text());
    return record.text();
}

std::optional<TagEntry> parseTag(const std::string& text) {
    std::optional<Record> record = Record::parse(text);
    if (!record) return std::nullopt;
    std::optional<Digest> digest = getDigest(*record, "digest");
    std::optional<std::string> mediaType = record->getText("mediaType");
    std::optional<std::uint64_t> size = record->getNumber("size");
    std::optional<std::int64_t> checked = record->getTime("checked");
    if (!digest || !mediaType || !size || !checked) return std::nullopt;
    return TagEntry{*digest, *mediaType, *size, *checked, getDigest(*record, "next")};
}

std::optional<TagEntry> readTag(Tree& tree, const RepositoryKey& where, const std::string& tag) {
    std::optional<std::string> text = tree.readSmall(tagPath(where, tag));
    if (!text) return std::nullopt;
    return parseTag(*text);
}

void writeTag(Tree& tree, const RepositoryKey& where, const std::string& tag,
              const TagEntry& entry) {
    makeRepository(tree, where);
    tree.writeSmall(tagPath(where, tag), formatTag(entry), Sync::kNo);
}

}  // namespace ociproxy
