#include "ociproxy/upstream/challenge.h"

#include <algorithm>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxField = 8 * 1024;
constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxParameters = 32;

bool isToken68Char(char c) noexcept {
    return (c >= '0' && c <= '9') || (lowerChar(c) >= 'a' && lowerChar(c) <= 'z') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
}

// Reads one field value. The comma separates challenges and parameters alike, so a
// name is a parameter when "=" follows it and a scheme otherwise.
class FieldScanner {
public:
    FieldScanner(std::string_view text, std::vector<Challenge>* out) : rest_(text), out_(out) {}

    void scan() {
        for (skip(" \t,"); !rest_.empty(); skip(" \t,")) {
            const std::string_view name = takeToken();
            if (name.empty()) {
                skipPastComma();
            } else if (!takeParameter(name) && !startChallenge(name)) {
                return;
            }
        }
    }

private:
    void skip(std::string_view characters) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }

    void skipPastComma() { rest_.remove_prefix(std::min(rest_.find(','), rest_.size())); }

    std::string_view takeToken() {
        std::size_t size = 0;
        while (size < rest_.size() && isToken(rest_.substr(size, 1))) ++size;
        const std::string_view token = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return token;
    }

    // True if `name` was the name of a parameter, which is then read.
    bool takeParameter(std::string_view name) {
        const std::string_view behindName = rest_;
        skip(" \t");
        if (!startsWith(rest_, "=")) {
            rest_ = behindName;
            return false;
        }
        rest_.remove_prefix(1);
        skip(" \t");
        keep(name, startsWith(rest_, "\"") ? takeQuoted() : takeUnquoted());
        return true;
    }

    void keep(std::string_view name, std::string value) {
        if (current_ == nullptr || current_->parameters.size() >= kMaxParameters) return;
        current_->parameters.emplace_back(lower(name), std::move(value));
    }

    // A string without its closing quote goes on to the end.
    std::string takeQuoted() {
        std::string value;
        std::size_t at = 1;
        for (; at < rest_.size() && rest_[at] != '"'; ++at) {
            if (rest_[at] == '\\' && at + 1 < rest_.size()) ++at;
            value.push_back(rest_[at]);
        }
        rest_.remove_prefix(std::min(at + 1, rest_.size()));
        return value;
    }

    // Some servers forget the quotes: the value goes on to the comma.
    std::string takeUnquoted() {
        const std::string_view value = rest_.substr(0, rest_.find(','));
        rest_.remove_prefix(value.size());
        return std::string(trim(value));
    }

    // False when there are too many.
    bool startChallenge(std::string_view scheme) {
        if (out_->size() >= kMaxChallenges) return false;
        out_->push_back(Challenge{lower(scheme), {}});
        current_ = &out_->back();
        skipToken68();
        return true;
    }

    // "Negotiate YWJj==": credentials of a scheme, of no use to us.
    void skipToken68() {
        std::string_view after = trim(rest_);
        std::size_t size = 0;
        while (size < after.size() && isToken68Char(after[size])) ++size;
        if (size == 0) return;
        while (size < after.size() && after[size] == '=') ++size;
        after.remove_prefix(size);
        after = trim(after);
        if (after.empty() || after[0] == ',') rest_ = after;
    }

    std::string_view rest_;
    std::vector<Challenge>* out_;
    Challenge* current_ = nullptr;  // in *out_, which grows only in startChallenge()
};

}  // namespace

const std::string* Challenge::parameter(std::string_view name) const noexcept {
    for (const std::pair<std::string, std::string>& entry : parameters) {
        if (entry.first == name) return &entry.second;
    }
    return nullptr;
}

std::vector<Challenge> parseChallenges(const std::vector<std::string>& fields) {
    std::vector<Challenge> out;
    for (const std::string& field : fields) {
        if (field.size() <= kMaxField) FieldScanner(field, &out).scan();
    }
    return out;
}

std::optional<Challenge> bearerChallenge(const std::vector<Challenge>& challenges) {
    for (const Challenge& challenge : challenges) {
        const std::string* realm = challenge.parameter("realm");
        if (challenge.scheme == "bearer" && realm != nullptr && !realm->empty()) return challenge;
    }
    return std::nullopt;
}

}  // namespace ociproxy
