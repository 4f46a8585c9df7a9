#include "upstream/hop_connection.h"

#include <algorithm>

namespace ociproxy {

namespace {

constexpr std::size_t kReadAhead = 16 * 1024;

}  // namespace

void HopConnection::startTls(const Poco::Net::Context::Ptr& context, const std::string& host) {
    tls_ = std::make_unique<TlsSession>(&socket_, context, host);
}

void HopConnection::writeAll(std::string_view data) {
    answered_ = false;
    while (!data.empty()) {
        data.remove_prefix(tls_ ? tls_->write(data.data(), data.size())
                                : socket_.write(data.data(), data.size()));
    }
}

// Large reads go past the buffer once it is empty.
std::size_t HopConnection::read(char* out, std::size_t size) {
    if (position_ == ahead_.size()) return receive(out, size);
    const std::size_t count = std::min(size, ahead_.size() - position_);
    std::copy_n(ahead_.data() + position_, count, out);
    position_ += count;
    return count;
}

int HopConnection::get() {
    if (position_ == ahead_.size()) {
        ahead_.resize(kReadAhead);
        position_ = kReadAhead;  // empty, should receive() throw
        const std::size_t count = receive(ahead_.data(), ahead_.size());
        ahead_.resize(count);
        position_ = 0;
        if (count == 0) return -1;
    }
    return static_cast<unsigned char>(ahead_[position_++]);
}

bool HopConnection::quiet() const noexcept {
    return position_ == ahead_.size() && !(tls_ && tls_->pending()) && !socket_.readable();
}

std::size_t HopConnection::receive(char* out, std::size_t size) {
    const std::size_t count = tls_ ? tls_->read(out, size) : socket_.read(out, size);
    if (count > 0) answered_ = true;
    socket_.received(count);
    return count;
}

}  // namespace ociproxy
