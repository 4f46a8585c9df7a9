#include "proxy/byte_pipe.h"

#include <algorithm>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

// No piece is larger, so that room comes back while a slow reader takes one.
constexpr std::size_t kMaxChunk = 64 * 1024;

}  // namespace

class BytePipe::Reader final : public StreamSource {
public:
    explicit Reader(std::shared_ptr<BytePipe> pipe) : pipe_(std::move(pipe)) {}
    ~Reader() override {
        const std::lock_guard<std::mutex> lock(pipe_->mutex_);
        pipe_->readerGone_ = true;
        pipe_->room_.notify_all();
    }

    Look look() noexcept override {
        const std::lock_guard<std::mutex> lock(pipe_->mutex_);
        Look look;
        look.state = pipe_->state_;
        if (!pipe_->chunks_.empty()) {
            look.ready = std::string_view(pipe_->chunks_.front()).substr(pipe_->taken_);
        }
        return look;
    }

    void consume(std::size_t size) noexcept override {
        if (size == 0) return;
        const std::lock_guard<std::mutex> lock(pipe_->mutex_);
        OCIPROXY_ASSERT(!pipe_->chunks_.empty());
        pipe_->taken_ += size;
        pipe_->consumed_ += size;
        pipe_->buffered_ -= size;
        OCIPROXY_ASSERT(pipe_->taken_ <= pipe_->chunks_.front().size());
        if (pipe_->taken_ < pipe_->chunks_.front().size()) return;
        pipe_->chunks_.pop_front();
        pipe_->taken_ = 0;
        pipe_->room_.notify_all();
    }

    void setWake(std::function<void()> wake) override {
        const std::lock_guard<std::mutex> lock(pipe_->wakeMutex_);
        pipe_->wake_ = std::move(wake);
    }

private:
    std::shared_ptr<BytePipe> pipe_;
};

bool BytePipe::write(std::string_view bytes) {
    while (!bytes.empty()) {
        {
            std::unique_lock<std::mutex> lock(mutex_);
            if (!awaitRoom(&lock)) return false;
            const std::size_t size = std::min(bytes.size(), kMaxChunk);
            chunks_.emplace_back(bytes.substr(0, size));
            buffered_ += size;
            bytes.remove_prefix(size);
        }
        wakeReader();
    }
    return true;
}

// A chunk may be larger than the room: the pipe is full from its capacity on.
bool BytePipe::awaitRoom(std::unique_lock<std::mutex>* lock) {
    for (;;) {
        if (readerGone_ || state_ != StreamSource::State::kRunning) return false;
        if (buffered_ < pace_.capacity) return true;
        const TimePoint since = now();
        room_.wait_for(*lock, pace_.window - waited_);
        waited_ += std::chrono::duration_cast<Millis>(now() - since);
        if (waited_ < pace_.window) continue;
        const double wanted = std::chrono::duration<double>(waited_).count() *
                              static_cast<double>(pace_.minRate);
        if (static_cast<double>(consumed_ - windowStart_) < wanted) {
            tooSlow_ = true;
            return false;
        }
        waited_ = Millis{0};
        windowStart_ = consumed_;
    }
}

void BytePipe::complete() noexcept {
    end(StreamSource::State::kComplete);
}

void BytePipe::breakOff() noexcept {
    end(StreamSource::State::kBroken);
}

void BytePipe::end(StreamSource::State state) noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (state_ != StreamSource::State::kRunning) return;
        state_ = state;
    }
    wakeReader();
}

void BytePipe::wakeReader() noexcept {
    const std::lock_guard<std::mutex> lock(wakeMutex_);
    if (wake_) wake_();
}

bool BytePipe::tooSlow() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return tooSlow_;
}

bool BytePipe::abandoned() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return readerGone_ || tooSlow_;
}

std::shared_ptr<StreamSource> BytePipe::reader() {
    return std::make_shared<Reader>(shared_from_this());
}

}  // namespace ociproxy
