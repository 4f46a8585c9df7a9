// A ByteSource over a string, which gives a few bytes at a time.
#ifndef OCIPROXY_TESTS_SUPPORT_STRING_SOURCE_H
#define OCIPROXY_TESTS_SUPPORT_STRING_SOURCE_H

#include <algorithm>
#include <string>

#include "upstream/byte_source.h"

namespace ociproxy {

class StringSource : public ByteSource {
public:
    explicit StringSource(std::string text, std::size_t atOnce = 7)
        : text_(std::move(text)), atOnce_(atOnce) {}

    std::size_t read(char* out, std::size_t size) override {
        const std::size_t count = std::min({size, atOnce_, text_.size() - position_});
        std::copy_n(text_.data() + position_, count, out);
        position_ += count;
        return count;
    }
    int get() override {
        if (position_ == text_.size()) return -1;
        return static_cast<unsigned char>(text_[position_++]);
    }
    std::string rest() const { return text_.substr(position_); }

private:
    const std::string text_;
    const std::size_t atOnce_;
    std::size_t position_ = 0;
};

}  // namespace ociproxy

#endif
