#include "integration/upstream_faults.h"

#include <algorithm>
#include <thread>

#include "integration/fixtures.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

using Bytes = std::string;

constexpr std::size_t kEndless = 32 * kMiB;  // more than anybody should take

std::string fieldsOf(const Resource& resource) {
    return cat("Content-Type: ", resource.type, "\r\nDocker-Content-Digest: ", resource.digest,
               "\r\n");
}

std::string lengthField(std::size_t length) { return cat("Content-Length: ", length, "\r\n"); }

// Sends all of a 200 whose fields beyond the usual are given; to HEAD without the body.
bool send200(const Received& request, const Resource& resource, const std::string& fields,
             const Bytes& body, Wire* wire) {
    const std::string head = cat("HTTP/1.1 200 OK\r\n", fieldsOf(resource), fields, "\r\n");
    return wire->send(request.method == "HEAD" ? head : cat(head, body));
}

std::string chunk(const Bytes& bytes) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return cat(size, bytes, "\r\n");
}

Bytes half(const Resource& resource) { return resource.bytes.substr(0, resource.bytes.size() / 2); }

Bytes flipped(Bytes bytes, std::size_t at) {
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    return bytes;
}

std::size_t firstOf(const Received& request) {
    const std::string range = request.fields.get("Range");
    return startsWith(range, "bytes=") ? std::strtoull(range.c_str() + 6, nullptr, 10) : 0;
}

// A body with this framing and these bytes, then the end.
UpstreamFault body(std::string name, std::function<std::string(const Resource&)> fields,
                   std::function<Bytes(const Resource&)> bytes) {
    return {std::move(name), [fields, bytes](const Received& request, const Resource& resource,
                                             unsigned, Wire* wire) {
                send200(request, resource, fields(resource), bytes(resource), wire);
                return false;
            }};
}

std::function<std::string(const Resource&)> lengthPlus(std::ptrdiff_t more) {
    return [more](const Resource& r) {
        return cat("Content-Length: ", static_cast<std::ptrdiff_t>(r.bytes.size()) + more, "\r\n");
    };
}

std::function<std::string(const Resource&)> with(const std::string& fields) {
    return [fields](const Resource&) { return fields; };
}

Bytes whole(const Resource& resource) { return resource.bytes; }

// The same bytes to every request, whatever it asks for.
UpstreamFault raw(std::string name, std::function<Bytes(const Resource&)> bytes) {
    return {std::move(name),
            [bytes](const Received&, const Resource& resource, unsigned, Wire* wire) {
                wire->send(bytes(resource));
                return false;
            }};
}

UpstreamFault status(int code) {
    return raw(cat("U12 status ", code), [code](const Resource&) {
        return cat("HTTP/1.1 ", code, " No\r\nContent-Length: 2\r\n\r\nno");
    });
}

// The first GET breaks off in its middle; what then comes is said by `next`.
UpstreamFault broken(std::string name, bool reset,
                     std::function<bool(const Received&, const Resource&, Wire*)> next) {
    return {std::move(name), [reset, next](const Received& request, const Resource& resource,
                                           unsigned round, Wire* wire) {
                if (request.method == "HEAD") return answerHonestly(request, resource, wire);
                if (round > 0 && next) return next(request, resource, wire);
                send200(request, resource, lengthField(resource.bytes.size()), half(resource),
                        wire);
                if (reset) wire->abort();
                return false;
            }};
}

bool continueFrom(std::size_t first, std::size_t claimed, const Bytes& bytes, Wire* wire) {
    const Bytes rest = bytes.substr(first);
    return wire->send(cat("HTTP/1.1 206 Partial Content\r\n", lengthField(rest.size()),
                          "Content-Range: bytes ", claimed, "-", claimed + rest.size() - 1, "/",
                          bytes.size(), "\r\n\r\n", rest));
}

bool continueWithOther(const Received& request, const Resource& resource, Wire* wire) {
    const std::size_t first = firstOf(request);
    const Bytes other = flipped(resource.bytes, resource.bytes.size() - 2);
    if (first == 0) return send200(request, resource, lengthField(other.size()), other, wire);
    return continueFrom(first, first, other, wire);
}

bool continueElsewhere(const Received& request, const Resource& resource, Wire* wire) {
    const std::size_t first = firstOf(request);
    return continueFrom(first, first > 0 ? first - 1 : 1, resource.bytes, wire);
}

bool answerWithWhole(const Received& request, const Resource& resource, Wire* wire) {
    return send200(request, resource, lengthField(resource.bytes.size()), resource.bytes, wire);
}

UpstreamFault endless(std::string name, const std::string& fields, bool chunked) {
    return {std::move(name), [=](const Received& request, const Resource& resource, unsigned,
                                 Wire* wire) {
                if (!send200(request, resource, fields, "", wire)) return false;
                const Bytes piece(64 * kKiB, ' ');
                for (std::size_t sent = 0; sent < kEndless; sent += piece.size()) {
                    if (!wire->send(chunked ? chunk(piece) : piece)) break;
                }
                return false;
            }};
}

// Nothing more than `bytes` until the other side gives up, or a byte each second.
UpstreamFault stuck(std::string name, std::function<Bytes(const Resource&)> bytes, bool trickle) {
    UpstreamFault fault{std::move(name), [=](const Received& request, const Resource& resource,
                                             unsigned, Wire* wire) {
        const Bytes begin = bytes(resource);
        if (!begin.empty()) {
            send200(request, resource, lengthField(resource.bytes.size()), begin, wire);
            if (request.method == "HEAD") return true;
        }
        for (std::size_t at = begin.size(); !wire->readable(milliseconds(1'000)); ++at) {
            const bool more = trickle && at < resource.bytes.size();
            if (more && !wire->send(resource.bytes.substr(at, 1))) break;
        }
        return false;
    }};
    fault.slow = true;
    return fault;
}

std::string manyFields() {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += cat("X-", i, ": y\r\n");
    return text;
}

std::vector<UpstreamFault> cuts() {
    UpstreamFault resumed = broken("U1 one reset", true, answerHonestly);
    resumed.harmless = true;
    return {
        resumed,
        broken("U1 resets", true, nullptr),
        broken("U2 cut in the middle", false, nullptr),
        body("U3 short and framed well", lengthPlus(-10), [](const Resource& r) {
            return r.bytes.substr(0, r.bytes.size() - 10);
        }),
        body("U4 long and framed well", lengthPlus(3), [](const Resource& r) {
            return cat(r.bytes, "xyz");
        }),
        body("U5 no last chunk", with("Transfer-Encoding: chunked\r\n"),
             [](const Resource& r) { return chunk(r.bytes); }),
        body("U6 ends anywhere", with("Connection: close\r\n"), half),
        broken("U20 the whole for a range", false, answerWithWhole),
        broken("U20 another range", false, continueElsewhere),
        broken("U24 other content for a range", false, continueWithOther),
    };
}

std::vector<UpstreamFault> lies() {
    return {
        body("U7 wrong bytes", lengthPlus(0),
             [](const Resource& r) { return flipped(r.bytes, r.bytes.size() / 3); }),
        body("U7 wrong last byte", lengthPlus(0),
             [](const Resource& r) { return flipped(r.bytes, r.bytes.size() - 1); }),
        raw("U8 a page", [](const Resource&) {
            return Bytes("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n"
                         "<html>Sign in</html>");
        }),
        status(500), status(502), status(503), status(504),
        raw("U20 a part for the whole", [](const Resource& r) {
            return cat("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/",
                       r.bytes.size(), "\r\n", lengthField(100), "\r\n", r.bytes.substr(0, 100));
        }),
        body("U21 compressed", [](const Resource& r) {
            return cat("Content-Encoding: gzip\r\n", lengthField(r.bytes.size()));
        }, [](const Resource& r) { return flipped(r.bytes, 0); }),
        raw("U22 another digest in the head", [](const Resource& r) {
            return cat("HTTP/1.1 200 OK\r\nContent-Type: ", r.type, "\r\nDocker-Content-Digest: ",
                       digestText("another"), "\r\n", lengthField(r.bytes.size()), "\r\n",
                       flipped(r.bytes, 5));
        }),
        endless("U23 no end", "Transfer-Encoding: chunked\r\n", true),
        endless("U23 32 MiB announced", lengthField(kEndless), false),
    };
}

std::vector<UpstreamFault> breaches() {
    return {
        raw("U17 a field of 8 MiB", [](const Resource& r) {
            return cat("HTTP/1.1 200 OK\r\nX: ", Bytes(8 * kMiB, 'x'), "\r\n\r\n", r.bytes);
        }),
        raw("U17 100000 fields", [](const Resource& r) {
            return cat("HTTP/1.1 200 OK\r\n", manyFields(), "\r\n", r.bytes);
        }),
        raw("U18 no HTTP", [](const Resource&) { return Bytes("hello\r\n\r\n"); }),
        raw("U18 HTTP/0.9", [](const Resource& r) { return r.bytes; }),
        raw("U18 nothing", [](const Resource&) { return Bytes(); }),
        raw("U18 interim answers for ever", [](const Resource&) {
            Bytes flood;
            for (int i = 0; i < 100'000; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
            return flood;
        }),
        raw("U18 204 with a body", [](const Resource& r) {
            return cat("HTTP/1.1 204 No Content\r\n", lengthField(r.bytes.size()), "\r\n", r.bytes);
        }),
        body("U19 length and chunks", [](const Resource& r) {
            return cat("Transfer-Encoding: chunked\r\n", lengthField(r.bytes.size()));
        }, whole),
        body("U19 two lengths", [](const Resource& r) {
            return cat(lengthField(r.bytes.size()), lengthField(r.bytes.size() - 1));
        }, whole),
        body("U19 negative length", with("Content-Length: -1\r\n"), whole),
        body("U19 length beyond 64 bits", with("Content-Length: 18446744073709551617\r\n"), whole),
    };
}

std::vector<UpstreamFault> stalls() {
    return {
        stuck("U9 no head", [](const Resource&) { return Bytes(); }, false),
        stuck("U10 stops in the middle", half, false),
        stuck("U11 a byte each second", half, true),
    };
}

}  // namespace

bool answerHonestly(const Received& request, const Resource& resource, Wire* wire) {
    if (!request.fields.has("Range") || request.method == "HEAD") {
        return answerWithWhole(request, resource, wire);
    }
    const std::string range = request.fields.get("Range");
    const std::size_t first = firstOf(request);
    const std::size_t dash = range.find('-');
    std::size_t last = resource.bytes.size() - 1;
    if (dash + 1 < range.size()) last = std::strtoull(range.c_str() + dash + 1, nullptr, 10);
    last = std::min(last, resource.bytes.size() - 1);
    if (first > last) return answerWithWhole(request, resource, wire);
    return wire->send(cat("HTTP/1.1 206 Partial Content\r\n", fieldsOf(resource),
                          lengthField(last - first + 1), "Content-Range: bytes ", first, "-", last,
                          "/", resource.bytes.size(), "\r\n\r\n",
                          resource.bytes.substr(first, last - first + 1)));
}

const std::vector<UpstreamFault>& upstreamFaults() {
    static const std::vector<UpstreamFault> all = [] {
        std::vector<UpstreamFault> faults;
        for (const std::vector<UpstreamFault>& some : {cuts(), lies(), breaches(), stalls()}) {
            faults.insert(faults.end(), some.begin(), some.end());
        }
        return faults;
    }();
    return all;
}

}  // namespace ociproxy::itest
