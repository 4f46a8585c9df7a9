#ifndef OCIPROXY_SRC_PROXY_BYTE_PIPE_H
#define OCIPROXY_SRC_PROXY_BYTE_PIPE_H

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "ociproxy/base/clock.h"
#include "ociproxy/front/stream_source.h"

namespace ociproxy {

// How slow the reader of a pipe may be. The front judges readers too, but by what a
// connection costs it; a pipe that is full costs a thread and an upstream's connection.
struct PipePace {
    std::uint64_t capacity = 512 * 1024;  // bytes
    std::uint64_t minRate = 16 * 1024;    // bytes per second, while the writer waits
    Millis window{30'000};                // of waiting, after which that is looked at
};

// Bytes from one thread of the pool to one reply, in memory and bounded: the writer waits
// while the pipe is full. The writer's end is any thread's, one at a time; the reader's is
// a StreamSource.
class BytePipe : public std::enable_shared_from_this<BytePipe> {
public:
    explicit BytePipe(const PipePace& pace) : pace_(pace) {}

    // Hands the bytes over. False: nobody will read them, because the reader has gone, is
    // too slow, or the pipe was broken.
    bool write(std::string_view bytes);
    // What was written is all. No more writes.
    void complete() noexcept;
    // The rest will never come. Does nothing after complete().
    void breakOff() noexcept;
    // Whether the reader was cut off for being too slow.
    bool tooSlow() const;
    // Whether nobody will read any more.
    bool abandoned() const;

    // The reader's end; one per pipe. Its destruction is the end of the reader.
    std::shared_ptr<StreamSource> reader();

private:
    class Reader;

    bool awaitRoom(std::unique_lock<std::mutex>* lock);
    void end(StreamSource::State state) noexcept;
    void wakeReader() noexcept;

    const PipePace pace_;
    mutable std::mutex mutex_;
    std::condition_variable room_;
    std::deque<std::string> chunks_;
    std::size_t taken_ = 0;  // of the first chunk
    std::uint64_t buffered_ = 0;
    std::uint64_t consumed_ = 0;
    StreamSource::State state_ = StreamSource::State::kRunning;
    bool readerGone_ = false;
    bool tooSlow_ = false;
    Millis waited_{0};               // in the present window
    std::uint64_t windowStart_ = 0;  // of consumed_

    std::mutex wakeMutex_;  // held while a wake runs
    std::function<void()> wake_;
};

}  // namespace ociproxy

#endif
