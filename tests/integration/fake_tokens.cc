#include "integration/fake_tokens.h"

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr std::size_t kTokenBytes = 24;

std::string quoted(const std::string& name, const std::string& value) {
    return value.empty() ? std::string() : cat(",", name, "=\"", value, "\"");
}

std::string tokenFields(const TokenReply& how, const std::string& token) {
    switch (how.shape) {
        case TokenReply::Shape::kToken: return cat("\"token\":\"", token, "\"");
        case TokenReply::Shape::kAccessToken: return cat("\"access_token\":\"", token, "\"");
        case TokenReply::Shape::kBothDiffer:
            return cat("\"token\":\"not-the-good-one\",\"access_token\":\"", token, "\"");
        case TokenReply::Shape::kNeither: break;
    }
    return "\"scope\":\"none\"";
}

}  // namespace

std::string TokenChallenge::text() const {
    if (!verbatim.empty()) return verbatim;
    return cat("Bearer realm=\"", realm, "\"", quoted("service", service), quoted("scope", scope));
}

std::string TokenMint::reply(const TokenReply& how) {
    const std::string token = how.verbatim.empty() ? mint() : how.verbatim;
    const std::string expires =
        how.expiresIn.empty() ? std::string() : cat(",\"expires_in\":", how.expiresIn);
    return cat("{", tokenFields(how, token), expires, "}");
}

std::string TokenMint::mint() {
    const std::string token = cat("secret-token-", randomHex(kTokenBytes));
    const std::lock_guard<std::mutex> lock(mutex_);
    issued_.insert(token);
    good_.insert(token);
    return token;
}

bool TokenMint::accepts(const std::string& authorization) const {
    const std::string scheme = "Bearer ";
    const std::lock_guard<std::mutex> lock(mutex_);
    return !refusing_ && startsWith(authorization, scheme) &&
           good_.count(authorization.substr(scheme.size())) > 0;
}

void TokenMint::revokeAll() {
    const std::lock_guard<std::mutex> lock(mutex_);
    good_.clear();
}

void TokenMint::refuseAll() {
    const std::lock_guard<std::mutex> lock(mutex_);
    refusing_ = true;
}

std::set<std::string> TokenMint::issued() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return issued_;
}

}  // namespace ociproxy::itest
