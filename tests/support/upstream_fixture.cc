#include "support/upstream_fixture.h"

#include <cppunit/extensions/HelperMacros.h>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include "ociproxy/base/log.h"
#include "support/scripted_server.h"

namespace ociproxy {

void ScriptedResolver::set(const std::string& host,
                           std::vector<std::vector<std::string>> answers) {
    std::lock_guard<std::mutex> lock(mutex_);
    answers_[host] = std::move(answers);
}

std::size_t ScriptedResolver::calls(const std::string& host) const {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = calls_.find(host);
    return found == calls_.end() ? 0 : found->second;
}

std::size_t ScriptedResolver::calls() const {
    std::lock_guard<std::mutex> lock(mutex_);
    std::size_t sum = 0;
    for (const auto& entry : calls_) sum += entry.second;
    return sum;
}

std::vector<IpAddress> ScriptedResolver::resolve(const std::string& host) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++calls_[host];
    if (const std::optional<IpAddress> literal = IpAddress::parse(host)) return {*literal};
    std::vector<std::vector<std::string>>& answers = answers_[host];
    if (answers.empty()) answers.push_back({"127.0.0.1"});
    std::vector<IpAddress> out;
    for (const std::string& text : answers.front()) out.push_back(*IpAddress::parse(text));
    if (answers.size() > 1) answers.erase(answers.begin());
    if (!out.empty()) return out;
    throw UpstreamError(UpstreamFailure::kNameResolution, "cannot resolve " + host);
}

UpstreamFixture::UpstreamFixture() {
    const char* folder = std::getenv("TMPDIR");
    logPath_ = std::string(folder ? folder : "/tmp") + "/ociproxy-upstream-XXXXXX";
    const int fd = ::mkstemp(&logPath_[0]);
    CPPUNIT_ASSERT(fd >= 0);
    ::close(fd);
    log_ = std::make_unique<Log>(logPath_, LogLevel::kTrace);
    SharedState::Options sizes;
    sizes.claimSlots = 16;
    sizes.tokenSlots = 8;
    shared_ = std::make_unique<SharedState>(sizes);
    options.log = log_.get();
    options.tokens = &shared_->tokens();
    options.counters = &shared_->counters();
    options.resolver = &resolver;
    options.userAgent = "ociproxy/test";
    options.instanceId = "cafe";
}

UpstreamFixture::~UpstreamFixture() {
    client_.reset();
    ::unlink(logPath_.c_str());
}

UpstreamClient& UpstreamFixture::client() {
    if (!client_) client_ = std::make_unique<UpstreamClient>(options);
    return *client_;
}

std::string UpstreamFixture::logText() const {
    std::ostringstream out;
    out << std::ifstream(logPath_).rdbuf();
    return out.str();
}

Upstream UpstreamFixture::httpUpstream(const ScriptedServer& server) {
    Upstream upstream;
    upstream.name = "up.test";
    upstream.origins = {Origin{false, "up.test", server.port()}};
    upstream.allowAddresses = {*Network::parse("127.0.0.0/8")};
    upstream.configured = true;
    return upstream;
}

UpstreamPtr UpstreamFixture::share(Upstream upstream) {
    upstream.computeId();
    return std::make_shared<const Upstream>(std::move(upstream));
}

UpstreamRequest UpstreamFixture::request(const UpstreamPtr& upstream) {
    UpstreamRequest out;
    out.upstream = upstream;
    out.target = "/v2/a/x";
    out.repository = "a";
    out.firstByteDeadline = now() + Millis(20'000);
    return out;
}

std::unique_ptr<UpstreamResponse> UpstreamFixture::get(const UpstreamPtr& upstream) {
    return client().send(request(upstream));
}

std::unique_ptr<UpstreamResponse> UpstreamFixture::get(const Upstream& upstream) {
    return get(share(upstream));
}

UpstreamFailure UpstreamFixture::failureOf(const Upstream& upstream) {
    return failureOf([&] { get(upstream); });
}

UpstreamFailure UpstreamFixture::failureOf(const std::function<void()>& action) {
    try {
        action();
    } catch (const UpstreamError& e) {
        return e.failure();
    }
    return UpstreamFailure::kNone;
}

std::string UpstreamFixture::textOf(const std::function<void()>& action) {
    try {
        action();
    } catch (const UpstreamError& e) {
        return e.what();
    }
    return "";
}

}  // namespace ociproxy
