#include "support/exposition_reader.h"

#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

bool isName(std::string_view text, bool colons) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c >= '0' && c <= '9') && !(colons && c == ':')) return false;
    }
    return true;
}

double numberOf(const std::string& text) {
    if (text == "+Inf") return HUGE_VAL;
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') throw std::runtime_error("no number: " + text);
    return value;
}

class Reader {
public:
    ExpositionPage read(const std::string& text) {
        if (!text.empty() && text.back() != '\n') throw std::runtime_error("no line end at the end");
        for (const std::string_view line : split(text, '\n')) {
            if (line.empty()) continue;
            try {
                take(line);
            } catch (const std::exception& e) {
                throw std::runtime_error(cat(e.what(), " in: ", line));
            }
        }
        endFamily();
        return page_;
    }

private:
    [[noreturn]] static void wrong(const std::string& what) { throw std::runtime_error(what); }

    void take(std::string_view line) {
        if (startsWith(line, "# HELP ")) return help(line.substr(7));
        if (startsWith(line, "# TYPE ")) return type(line.substr(7));
        if (line[0] == '#') wrong("comment");
        sample(line);
    }

    void help(std::string_view rest) {
        endFamily();
        const std::size_t space = rest.find(' ');
        if (space == std::string_view::npos || space + 1 == rest.size()) wrong("empty HELP");
        family_ = std::string(rest.substr(0, space));
        if (!isName(family_, true)) wrong("bad name");
    }

    void type(std::string_view rest) {
        const std::size_t space = rest.find(' ');
        if (rest.substr(0, space) != family_) wrong("TYPE without its HELP");
        type_ = std::string(rest.substr(space + 1));
        if (type_ != "counter" && type_ != "gauge" && type_ != "histogram") wrong("bad type");
        if (endsWith(family_, "_total") != (type_ == "counter")) wrong("_total is for counters");
        if (!page_.types.emplace(family_, type_).second) wrong("family twice");
    }

    void sample(std::string_view line) {
        const std::size_t open = line.find_first_of("{ ");
        if (open == std::string_view::npos) wrong("no value");
        const std::string name(line.substr(0, open));
        std::size_t end = open;
        std::string bound;
        std::string others;
        if (line[open] == '{') end = labels(line, open, &bound, &others);
        if (line.at(end) != ' ') wrong("no space before the value");
        const std::string series(line.substr(0, end));
        const double value = numberOf(std::string(line.substr(end + 1)));
        checkName(name, others, bound, value);
        if (!page_.values.emplace(series, value).second) wrong("series twice");
    }

    // From the brace to behind the closing one.
    std::size_t labels(std::string_view line, std::size_t open, std::string* bound,
                       std::string* others) {
        std::size_t at = open + 1;
        for (;;) {
            const std::size_t equals = line.find("=\"", at);
            if (equals == std::string_view::npos) wrong("no label");
            const std::string_view name = line.substr(at, equals - at);
            if (!isName(name, false)) wrong("bad label name");
            at = equals + 2;
            const std::size_t from = at;
            for (; line.at(at) != '"'; ++at) {
                if (line[at] == '\\') escape(line.at(++at));
            }
            const std::string value(line.substr(from, at - from));
            if (name == "le") *bound = value;
            else *others += cat(name, "=", value, ",");
            ++at;
            if (line.at(at) == '}') return at + 1;
            if (line[at++] != ',') wrong("no comma between labels");
        }
    }

    static void escape(char c) {
        if (c != 'n' && c != '\\' && c != '"') wrong("bad escape");
    }

    void checkName(const std::string& name, const std::string& labels, const std::string& bound,
                   double value) {
        if (type_.empty()) wrong("sample without TYPE");
        if (value < 0) wrong("negative");
        if (type_ != "histogram") {
            if (name != family_) wrong("sample of another family");
        } else if (name == family_ + "_bucket") {
            bucket(labels, bound, value);
        } else if (name == family_ + "_count") {
            if (bound_ != HUGE_VAL || labels_ != labels || value != last_) wrong("wrong count");
            labels_.clear();
            bound_ = -1;
        } else if (name != family_ + "_sum") {
            wrong("sample of another family");
        }
    }

    void bucket(const std::string& labels, const std::string& bound, double value) {
        const double limit = numberOf(bound);
        if (bound_ < 0) {
            labels_ = labels;
            last_ = 0;
        }
        if (labels_ != labels || limit <= bound_ || value < last_) wrong("buckets do not rise");
        bound_ = limit;
        last_ = value;
    }

    void endFamily() {
        if (bound_ >= 0) wrong("histogram without count");
        type_.clear();
    }

    ExpositionPage page_;
    std::string family_;
    std::string type_;
    // Of the histogram that is being read.
    std::string labels_;
    double bound_ = -1;
    double last_ = 0;
};

}  // namespace

double ExpositionPage::at(const std::string& series) const {
    const auto found = values.find(series);
    if (found == values.end()) throw std::runtime_error("no series " + series);
    return found->second;
}

std::string ExpositionPage::familyOf(const std::string& series) const {
    std::string name = series.substr(0, series.find('{'));
    if (types.count(name) != 0) return name;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        if (!endsWith(name, suffix)) continue;
        return name.substr(0, name.size() - std::string(suffix).size());
    }
    throw std::runtime_error("no family of " + series);
}

ExpositionPage readExposition(const std::string& text) {
    return Reader().read(text);
}

}  // namespace ociproxy
