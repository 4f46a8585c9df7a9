#include "integration/fake_registry.h"

#include <algorithm>
#include <utility>

#include <cppunit/TestAssert.h>

#include "integration/fake_answer.h"
#include "integration/fixtures.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr const char* kTokenPath = "/token";

bool isBlob(const Received& request) {
    return request.path.find("/blobs/") != std::string::npos;
}

}  // namespace

struct FakeRegistry::Answer : FakeAnswer {};

FakeRegistry::FakeRegistry()
    : server_([this](const Received& request, Wire& wire) { return answer(request, wire); }) {}

FakeRegistry::~FakeRegistry() { stop(); }

std::string FakeRegistry::authority() const { return cat("127.0.0.1:", port()); }

std::string FakeRegistry::url() const { return cat("http://", authority()); }

void FakeRegistry::stop() {
    openGates();
    server_.stop();
}

void FakeRegistry::openGates() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::shared_ptr<Gate>& gate : gates_) gate->open();
}

std::string FakeRegistry::addBlob(const std::string& repository, const std::string& bytes) {
    Content content{"application/octet-stream", digestText(bytes),
                    std::make_shared<const std::string>(bytes)};
    const std::string digest = content.digest;
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_[blobPath(repository, digest)] = std::move(content);
    return digest;
}

std::string FakeRegistry::addManifest(const std::string& repository, const std::string& bytes,
                                      const std::string& mediaType, const std::string& tag) {
    const Content content{mediaType, digestText(bytes),
                          std::make_shared<const std::string>(bytes)};
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_[manifestPath(repository, content.digest)] = content;
    if (!tag.empty()) contents_[manifestPath(repository, tag)] = content;
    return content.digest;
}

void FakeRegistry::addFile(const std::string& path, const std::string& bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_[path] = {"application/octet-stream", "", std::make_shared<const std::string>(bytes)};
}

void FakeRegistry::behave(const std::string& path, const Behaviour& behaviour) {
    const std::lock_guard<std::mutex> lock(mutex_);
    behaviours_[path] = behaviour;
    if (behaviour.beforeHead) gates_.push_back(behaviour.beforeHead);
    if (behaviour.inBody) gates_.push_back(behaviour.inBody);
}

void FakeRegistry::behaveWell(const std::string& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    behaviours_.erase(path);
}

void FakeRegistry::requireTokens(std::shared_ptr<TokenMint> mint,
                                 const TokenChallenge& challenge) {
    const std::lock_guard<std::mutex> lock(mutex_);
    accepted_ = std::move(mint);
    challenge_ = challenge;
}

void FakeRegistry::serveTokens(std::shared_ptr<TokenMint> mint, const TokenReply& reply) {
    const std::lock_guard<std::mutex> lock(mutex_);
    mint_ = std::move(mint);
    tokenReply_ = reply;
}

bool FakeRegistry::answer(const Received& request, Wire& wire) {
    Behaviour behaviour;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(request);
        behaviour = behaviourFor(request);
    }
    if (behaviour.beforeHead) behaviour.beforeHead->pass();
    return sendAnswer(answerFor(request, behaviour), behaviour, request.method == "HEAD", &wire);
}

Behaviour FakeRegistry::behaviourFor(const Received& request) {
    for (const std::string& path : {request.path, std::string()}) {
        const std::map<std::string, Behaviour>::iterator it = behaviours_.find(path);
        if (it == behaviours_.end() || it->second.times == 0) continue;
        if (path.empty() && !startsWith(request.path, "/v2/")) continue;
        if (!it->second.method.empty() && it->second.method != request.method) continue;
        if (it->second.times > 0) --it->second.times;
        return it->second;
    }
    return {};
}

FakeRegistry::Answer FakeRegistry::answerFor(const Received& request,
                                             const Behaviour& behaviour) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (mint_ && request.path == kTokenPath && behaviour.status == 0) return tokenAnswer();
    Answer answer;
    if (unauthorized(request)) {
        answer.status = 401;
        answer.fields.add("WWW-Authenticate", challenge_.text());
        answer.setText("{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}");
    } else if (behaviour.status != 0) {
        answer.status = behaviour.status;
        answer.setText(behaviour.body);
    } else {
        answer = contentAnswer(request, behaviour);
    }
    for (const std::pair<std::string, std::string>& field : behaviour.fields.all()) {
        answer.fields.add(field.first, field.second);
    }
    return answer;
}

bool FakeRegistry::unauthorized(const Received& request) const {
    return accepted_ && startsWith(request.path, "/v2/") &&
           !accepted_->accepts(request.fields.get("Authorization"));
}

FakeRegistry::Answer FakeRegistry::tokenAnswer() {
    Answer answer;
    answer.status = tokenReply_.status;
    answer.fields.add("Content-Type", "application/json");
    answer.setText(tokenReply_.status == 200 ? mint_->reply(tokenReply_) : "{}");
    return answer;
}

FakeRegistry::Answer FakeRegistry::contentAnswer(const Received& request,
                                                 const Behaviour& behaviour) {
    Answer answer;
    const std::map<std::string, Content>::const_iterator it = contents_.find(request.path);
    if (it == contents_.end()) {
        answer.status = request.path == "/v2/" ? 200 : 404;
        answer.setText(answer.status == 200 ? "{}" : "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}");
        return answer;
    }
    const Content& content = it->second;
    answer.fields.add("Content-Type", content.type);
    if (behaviour.digestField && !content.digest.empty()) {
        answer.fields.add("Docker-Content-Digest", content.digest);
    }
    answer.setContent(content.bytes, behaviour, request.fields.get("Range"));
    return answer;
}

std::vector<Received> FakeRegistry::requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
}

std::size_t FakeRegistry::count(const std::function<bool(const Received&)>& which) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<std::size_t>(std::count_if(requests_.begin(), requests_.end(), which));
}

std::size_t FakeRegistry::count(const std::string& method, const std::string& path) const {
    return count([&](const Received& r) { return r.method == method && r.path == path; });
}

std::size_t FakeRegistry::calls() const {
    return count([](const Received& r) { return startsWith(r.path, "/v2/"); });
}

std::size_t FakeRegistry::blobGets() const {
    return count([](const Received& r) { return r.method == "GET" && isBlob(r); });
}

std::size_t FakeRegistry::blobGets(const std::string& digest) const {
    return count([&](const Received& r) {
        return r.method == "GET" && endsWith(r.path, cat("/blobs/", digest));
    });
}

std::size_t FakeRegistry::blobHeads() const {
    return count([](const Received& r) { return r.method == "HEAD" && isBlob(r); });
}

std::size_t FakeRegistry::tokenCalls() const {
    return count([](const Received& r) { return r.path == kTokenPath; });
}

bool FakeRegistry::asked(const std::string& path) const {
    return count([&](const Received& r) { return r.path == path; }) > 0;
}

Received FakeRegistry::lastRequest(const std::string& path) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::size_t i = requests_.size(); i > 0; --i) {
        if (requests_[i - 1].path == path) return requests_[i - 1];
    }
    CPPUNIT_FAIL(cat("nothing asked the fake registry for ", path));
    return {};
}

std::string FakeRegistry::describeRequests() const {
    std::string text;
    for (const Received& request : requests()) text += cat("  ", request.line(), "\n");
    return text;
}

void FakeRegistry::forgetRequests() {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.clear();
}

std::string blobPath(const std::string& repository, const std::string& digest) {
    return cat("/v2/", repository, "/blobs/", digest);
}

std::string manifestPath(const std::string& repository, const std::string& reference) {
    return cat("/v2/", repository, "/manifests/", reference);
}

}  // namespace ociproxy::itest
