// Reading what a manifest body says of itself (inspectManifest of media_type.h).
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <Poco/JSON/Handler.h>
#include <Poco/JSON/JSONException.h>
#include <Poco/JSON/Parser.h>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"

#include "registry/json_limits.h"

namespace ociproxy {

namespace {

const char* const kTellingKeys[] = {"manifests", "layers", "config", "fsLayers", "mediaType",
                                    "schemaVersion"};

// As Go's encoding/json folds keys: ASCII, and the two other characters of Unicode that
// fold into it. Clients in Go take "Layers" for "layers".
std::string foldKey(std::string_view key) {
    std::string out;
    for (std::size_t i = 0; i < key.size(); ++i) {
        if (key.substr(i, 2) == "\xc5\xbf") {  // U+017F, long s
            out += 's';
            i += 1;
        } else if (key.substr(i, 3) == "\xe2\x84\xaa") {  // U+212A, Kelvin sign
            out += 'k';
            i += 2;
        } else {
            out += lowerChar(key[i]);
        }
    }
    return out;
}

// Takes notes of the top level of a document as the parser walks over it, and keeps no
// tree: a manifest of 4 MiB would make one many times as large. One document, one
// thread. Throws JSONException for a key that an object has twice, because readers
// differ in which of the two they believe.
class TopLevelNotes : public Poco::JSON::Handler {
public:
    void reset() override {}
    void startObject() override {
        if (depth() == 0) isObject = true;
        open_.push_back({false, {}});
        key_.clear();
    }
    void endObject() override { open_.pop_back(); }
    void startArray() override {
        open_.push_back({true, {}});
        key_.clear();
    }
    void endArray() override { open_.pop_back(); }
    void key(const std::string& name) override {
        if (!open_.back().keys.insert(name).second) {
            throw Poco::JSON::JSONException("duplicate key");
        }
        if (depth() != 1) return;
        key_ = name;
        noteKey(name);
    }
    void null() override {}
    // Which of these the parser calls for a small number depends on its version.
    void value(int number) override { noteNumber(number); }
    void value(unsigned number) override { noteNumber(number); }
    void value(Poco::Int64 number) override { noteNumber(number); }
    void value(Poco::UInt64) override {}
    void value(const std::string& text) override {
        if (!atTop() || key_ != "mediaType") return;
        declared = true;
        mediaType = text;
    }
    void value(double) override {}
    void value(bool) override {}

    bool isObject = false;
    bool manifests = false;
    bool image = false;       // "layers" or "config"
    bool fsLayers = false;
    bool lookalike = false;   // a telling key in another spelling
    bool declared = false;
    std::int64_t schemaVersion = 0;
    std::string mediaType;

private:
    struct Container {
        bool array;
        std::set<std::string> keys;
    };

    std::size_t depth() const noexcept { return open_.size(); }
    bool atTop() const noexcept { return depth() == 1 && !open_.back().array; }

    void noteNumber(std::int64_t number) {
        if (atTop() && key_ == "schemaVersion") schemaVersion = number;
    }

    void noteKey(const std::string& name) {
        if (name == "manifests") manifests = true;
        if (name == "layers" || name == "config") image = true;
        if (name == "fsLayers") fsLayers = true;
        for (const char* telling : kTellingKeys) {
            if (name != telling && foldKey(name) == lower(telling)) lookalike = true;
        }
    }

    std::vector<Container> open_;
    std::string key_;
};

bool isJson(std::string_view body, const Poco::SharedPtr<TopLevelNotes>& notes) {
    if (!withinJsonLimits(body)) return false;
    try {
        Poco::JSON::Parser parser(notes);
        parser.parse(std::string(body));
    } catch (const Poco::Exception&) {
        return false;
    }
    return notes->isObject;
}

// What a document without the field is. Without schemaVersion 2 it may
// be anything: the configuration of an image has a "config" too.
std::string deduceType(const TopLevelNotes& notes) {
    if (notes.schemaVersion != 2) return {};
    if (notes.manifests) return "application/vnd.oci.image.index.v1+json";
    return notes.image ? "application/vnd.oci.image.manifest.v1+json" : "";
}

}  // namespace

ManifestNature inspectManifest(std::string_view body) {
    Poco::SharedPtr<TopLevelNotes> notes(new TopLevelNotes);
    ManifestNature out;
    if (!isJson(body, notes)) return out;
    out.json = true;
    out.index = notes->manifests;
    out.image = notes->image;
    out.declared = notes->declared;
    out.ambiguous = notes->lookalike || (notes->manifests && notes->image);
    out.schema1 = notes->schemaVersion == 1 || notes->fsLayers || isSchema1Type(notes->mediaType);
    if (notes->declared) {
        out.mediaType = notes->mediaType;
    } else if (!out.ambiguous && !out.schema1) {
        out.mediaType = deduceType(*notes);
    }
    return out;
}

}  // namespace ociproxy
