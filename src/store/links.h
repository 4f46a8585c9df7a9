// Links and tags: what upstreams said about their repositories. Small files below
// repos/<hash>/, one per link and per tag, replaced as a whole. Functions without state;
// any thread and any number of processes at once; the last writer wins. All throw
// SysError; what does not parse is absent.
#ifndef OCIPROXY_SRC_STORE_LINKS_H
#define OCIPROXY_SRC_STORE_LINKS_H

#include <optional>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/store/store.h"
#include "store/small_file.h"

namespace ociproxy {

class Tree;

// The files' contents. nullopt when the text is not a whole record of its kind.
std::string formatLink(const Link& link);
std::optional<Link> parseLink(const std::string& text);
std::string formatTag(const TagEntry& entry);
std::optional<TagEntry> parseTag(const std::string& text);

std::optional<Link> readLink(Tree& tree, const RepositoryKey& where, ContentKind kind,
                             const Digest& digest);
// Confirmed now.
void writeLink(Tree& tree, const RepositoryKey& where, ContentKind kind, const Digest& digest,
               Sync sync);
// Does nothing where there is none, nor below Durability::kFull.
void makeLinkDurable(Tree& tree, const RepositoryKey& where, ContentKind kind,
                     const Digest& digest);

std::optional<TagEntry> readTag(Tree& tree, const RepositoryKey& where, const std::string& tag);
void writeTag(Tree& tree, const RepositoryKey& where, const std::string& tag,
              const TagEntry& entry);

// Makes the directory of a repository with its name in it, if it is not there: the first
// thing below it that is written, so that no link stands in a directory without a name.
void makeRepository(Tree& tree, const RepositoryKey& where);

}  // namespace ociproxy

#endif
