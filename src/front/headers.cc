#include <algorithm>

#include "ociproxy/base/text.h"
#include "ociproxy/front/message.h"

namespace ociproxy {
namespace {

// As many as most messages have: growing step by step costs more than the room.
constexpr std::size_t kUsualFields = 16;

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
    if (fields_.empty()) fields_.reserve(kUsualFields);
    fields_.push_back(HeaderField{std::string(name), std::string(value)});
}

void Headers::set(std::string_view name, std::string_view value) {
    const auto same = [name](const HeaderField& field) {
        return equalsIgnoreCase(field.name, name);
    };
    const std::vector<HeaderField>::iterator first =
        std::find_if(fields_.begin(), fields_.end(), same);
    if (first == fields_.end()) {
        add(name, value);
        return;
    }
    // Built first: `value` may be part of a field that goes away.
    HeaderField replacement{std::string(name), std::string(value)};
    fields_.erase(std::remove_if(first + 1, fields_.end(), same), fields_.end());
    *first = std::move(replacement);
}

void Headers::remove(std::string_view name) {
    const std::string wanted(name);  // `name` may be part of a field that goes away
    fields_.erase(std::remove_if(fields_.begin(), fields_.end(),
                                 [&wanted](const HeaderField& field) {
                                     return equalsIgnoreCase(field.name, wanted);
                                 }),
                  fields_.end());
}

const std::string* Headers::find(std::string_view name) const noexcept {
    for (const HeaderField& field : fields_) {
        if (equalsIgnoreCase(field.name, name)) return &field.value;
    }
    return nullptr;
}

std::size_t Headers::count(std::string_view name) const noexcept {
    std::size_t found = 0;
    for (const HeaderField& field : fields_) {
        if (equalsIgnoreCase(field.name, name)) ++found;
    }
    return found;
}

std::string Headers::joined(std::string_view name) const {
    std::string out;
    bool first = true;
    for (const HeaderField& field : fields_) {
        if (!equalsIgnoreCase(field.name, name)) continue;
        if (!first) out += ", ";
        first = false;
        out += field.value;
    }
    return out;
}

}  // namespace ociproxy
