#include "integration/mutator.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

// What parsers stumble over.
constexpr char kBytes[] = {'\0', '\r', '\n', ' ', '\t', ':', ',', ';', '%', '/', '?', '#', '-',
                           '"', '[', '.', '9', '\x7f', '\x80', '\xff'};
const char* const kLines[] = {
    "Content-Length: 5", "Content-Length: 0", "Content-Length: 18446744073709551616",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Host: other.test",
    "Host: a b", "Connection: close", "Connection: keep-alive, Range", "Expect: 100-continue",
    "Expect: 200-ok", "Range: bytes=0-0", "Range: bytes=-1,0-0,5-,9-3", "If-Range: \"x\"",
    "If-None-Match: *", " folded: line", "No colon", ": no name", "A: \x01",
    "X-Forwarded-For: 1.2.3.4", "Upgrade: h2c", "5\r\nhello\r\n0\r\n"};

std::vector<std::string> linesOfRequest(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        lines.push_back(text.substr(at, end - at));
        at = end;
    }
    return lines;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
}

}  // namespace

Mutator::Mutator(std::uint64_t seed, std::vector<std::string> requests)
    : random_(seed), requests_(std::move(requests)) {}

std::size_t Mutator::below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

const std::string& Mutator::pick() { return requests_[below(requests_.size())]; }

std::string Mutator::next() {
    std::string text = pick();
    for (std::size_t times = 1 + below(3); times > 0; --times) mutate(&text);
    // One behind the other: what is left of the first must not be taken for the second.
    while (below(4) == 0) text += pick();
    if (below(3) == 0) text.insert(0, pick());
    return text;
}

void Mutator::mutate(std::string* text) {
    if (text->empty()) *text = pick();
    switch (below(20)) {
    case 0: case 1: case 2: case 3: case 4: case 5: changeByte(text); return;
    case 6: case 7: case 8: case 9: changeRange(text); return;
    case 10: case 11: case 12: case 13: case 14: case 15: changeLines(text); return;
    case 16: case 17: case 18: changeEnds(text); return;
    default: if (below(8) == 0) blowUp(text);
    }
}

void Mutator::changeByte(std::string* text) {
    const std::size_t at = below(text->size());
    const char byte = kBytes[below(std::size(kBytes))];
    switch (below(4)) {
    case 0: (*text)[at] = static_cast<char>((*text)[at] ^ (1 << below(8))); return;
    case 1: (*text)[at] = byte; return;
    case 2: text->insert(at, 1, byte); return;
    default: text->erase(at, 1);
    }
}

void Mutator::changeRange(std::string* text) {
    const std::size_t at = below(text->size());
    const std::size_t size = 1 + below(std::min<std::size_t>(text->size() - at, 64));
    const std::string piece = text->substr(at, size);
    switch (below(4)) {
    case 0: text->erase(at, size); return;
    case 1: text->insert(below(text->size()), piece); return;
    case 2: text->replace(at, size, std::string(size, kBytes[below(std::size(kBytes))])); return;
    default: {
        const std::string& other = pick();
        *text = cat(text->substr(0, at), other.substr(below(other.size())));
    }
    }
}

std::string& Mutator::pickLine(std::vector<std::string>* lines) {
    return (*lines)[below(lines->size())];
}

void Mutator::changeLines(std::string* text) {
    std::vector<std::string> lines = linesOfRequest(*text);
    const std::size_t at = below(lines.size());
    const auto place = lines.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(5)) {
    case 0: lines.erase(place); break;
    case 1: lines.insert(place, std::string(*place)); break;
    case 2: std::swap(pickLine(&lines), pickLine(&lines)); break;
    case 3: pickLine(&lines) = cat(kLines[below(std::size(kLines))], "\r\n"); break;
    default: lines.insert(place + (at == 0 ? 1 : 0), cat(kLines[below(std::size(kLines))], "\r\n"));
    }
    *text = joined(lines);
}

// Cut, without the end of the head, or with other ends of lines.
void Mutator::changeEnds(std::string* text) {
    switch (below(4)) {
    case 0: text->resize(below(text->size())); return;
    case 1: if (endsWith(*text, "\r\n")) text->resize(text->size() - 2); return;
    case 2: text->insert(0, "\r\n"); return;
    default: {
        const std::size_t at = text->find("\r\n", below(text->size()));
        if (at != std::string::npos) text->erase(at, 1);
    }
    }
}

// Beyond the limits of request line, head and number of fields.
void Mutator::blowUp(std::string* text) {
    const std::size_t at = below(text->size());
    if (below(2) == 0) {
        text->insert(at, std::string(1 + below(200'000), 'a'));
        return;
    }
    const std::size_t line = std::min(text->find('\n', at), text->size() - 1) + 1;
    std::string fields;
    for (std::size_t count = 1 + below(300); count > 0; --count) fields += "A: b\r\n";
    text->insert(line, fields);
}

}  // namespace ociproxy::itest
