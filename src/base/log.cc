#include "ociproxy/base/log.h"

#include <iterator>
#include <unistd.h>

#include "base/log_channel.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

const char* const kLevels[] = {"error", "warning", "info", "debug", "trace"};
const char* const kFormats[] = {"text", "json"};

template <class Value, std::size_t kSize>
const char* nameOf(Value value, const char* const (&names)[kSize]) noexcept {
    const std::size_t index = static_cast<std::size_t>(value);
    OCIPROXY_ASSERT(index < kSize);
    return names[index];
}

template <class Value, std::size_t kSize>
std::optional<Value> named(std::string_view name, const char* const (&names)[kSize]) noexcept {
    for (std::size_t i = 0; i < kSize; ++i) {
        if (name == names[i]) return static_cast<Value>(i);
    }
    return std::nullopt;
}

}  // namespace

const char* levelName(LogLevel level) noexcept {
    return nameOf(level, kLevels);
}

std::optional<LogLevel> parseLevel(std::string_view name) noexcept {
    return named<LogLevel>(name, kLevels);
}

const char* formatName(LogFormat format) noexcept {
    return nameOf(format, kFormats);
}

std::optional<LogFormat> parseFormat(std::string_view name) noexcept {
    return named<LogFormat>(name, kFormats);
}

LogFile::LogFile(const Options& options) : format_(options.format) {
    if (options.path != "off") channel_ = std::make_unique<LogChannel>(options);
}

LogFile::~LogFile() = default;

LogFile::Options LogFile::withPath(const std::string& path) {
    Options options;
    options.path = path;
    return options;
}

void LogFile::writeLine(std::string_view line, LogLevel level) noexcept {
    if (channel_) channel_->put(line, level);
}

void LogFile::requestReopen() noexcept {
    if (channel_) channel_->requestReopen();
}

bool LogFile::flush(TimePoint deadline) noexcept {
    return !channel_ || channel_->flush(deadline);
}

bool LogFile::toSyslog() const noexcept {
    return channel_ && channel_->marked();
}

std::uint64_t LogFile::dropped() const noexcept {
    return channel_ ? channel_->dropped() : 0;
}

void LogFile::countDropped() noexcept {
    if (channel_) channel_->countDropped(1);
}

void LogFile::setDropCounter(std::atomic<std::uint64_t>* counter) noexcept {
    if (channel_) channel_->setDropCounter(counter);
}

void LogFile::setRemark(Remark remark) {
    if (channel_) channel_->setRemark(std::move(remark));
}

Log::Log(const LogFile::Options& options, LogLevel level) : file_(options), level_(level) {
    file_.setRemark([this](LogLevel at, std::string_view text) { return line(at, text); });
}

namespace {

LogFile::Options toPath(const std::string& path) {
    LogFile::Options options;
    options.path = path;
    return options;
}

}  // namespace

Log::Log(const std::string& path, LogLevel level) : Log(toPath(path), level) {}

std::string Log::line(LogLevel level, std::string_view message) const {
    std::string out;
    out.reserve(message.size() + 64);
    if (!file_.toSyslog()) out += logTime() + ' ';
    out += cat(levelName(level), ' ', role_, '[', ::getpid(), "] ");
    out += message;
    return out;
}

void Log::write(LogLevel level, std::string_view message) noexcept {
    if (!enabled(level) || !file_.enabled()) return;
    try {
        file_.writeLine(line(level, message), level);
    } catch (...) {
        file_.countDropped();
    }
}

}  // namespace ociproxy
