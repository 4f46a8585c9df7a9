#ifndef OCIPROXY_TESTS_INTEGRATION_FAKE_TOKENS_H
#define OCIPROXY_TESTS_INTEGRATION_FAKE_TOKENS_H

#include <mutex>
#include <set>
#include <string>

namespace ociproxy::itest {

// The 401 of a registry that wants tokens. A plain value.
struct TokenChallenge {
    std::string verbatim;  // the whole WWW-Authenticate; empty: Bearer of the next three
    std::string realm;
    std::string service;   // empty: not named
    std::string scope;     // empty: not named

    std::string text() const;
};

// What a token server answers. A plain value.
struct TokenReply {
    enum class Shape { kToken, kAccessToken, kBothDiffer, kNeither };
    Shape shape = Shape::kToken;
    int status = 200;
    std::string expiresIn = "300";  // JSON; empty: left out
    std::string verbatim;           // JSON text of the token itself instead of a minted one
};

// Tokens that a fake token server hands out and a fake registry accepts: shared
// between the two. Any thread.
class TokenMint {
public:
    // The body of a 200.
    std::string reply(const TokenReply& how);
    // Whether `authorization` is "Bearer" and a token that is good.
    bool accepts(const std::string& authorization) const;
    // No token handed out so far is good any more.
    void revokeAll();
    // No token is ever good.
    void refuseAll();
    // Every token ever handed out.
    std::set<std::string> issued() const;

private:
    std::string mint();

    mutable std::mutex mutex_;
    std::set<std::string> issued_;
    std::set<std::string> good_;
    bool refusing_ = false;
};

}  // namespace ociproxy::itest

#endif
