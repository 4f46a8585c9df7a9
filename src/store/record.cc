#include "store/record.h"

#include <exception>
#include <sstream>

#include <Poco/Dynamic/Var.h>
#include <Poco/Exception.h>
#include <Poco/JSON/Parser.h>

namespace ociproxy {

namespace {

std::string printable(std::string text) {
    for (char& c : text) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return text;
}

// 9999-12-31T23:59:59Z. No clock says more, nor as much before 1970, and ages can be reckoned
// without overflow.
constexpr std::int64_t kLastSecond = 253402300799;

// A number, as JSON wrote it: Poco calls booleans integers, too.
template <class Integer>
std::optional<Integer> integerOf(const Poco::Dynamic::Var& value) {
    if (!value.isInteger() || value.isBoolean()) return std::nullopt;
    try {
        return value.convert<Integer>();
    } catch (const Poco::Exception&) {
        return std::nullopt;  // out of range
    }
}

}  // namespace

Record::Record() : object_(new Poco::JSON::Object) {}
Record::Record(Poco::JSON::Object::Ptr object) : object_(std::move(object)) {}

std::optional<Record> Record::parse(const std::string& text) {
    try {
        Poco::JSON::Parser parser;
        return Record(parser.parse(text).extract<Poco::JSON::Object::Ptr>());
    } catch (const std::exception&) {
        // Poco's exceptions among them: not JSON, not an object, nested too deep.
        return std::nullopt;
    }
}

std::string Record::text() const {
    std::ostringstream out;
    object_->stringify(out);
    out << '\n';
    return out.str();
}

void Record::setText(const std::string& name, const std::string& value) {
    object_->set(name, printable(value));
}

void Record::setNumber(const std::string& name, std::uint64_t value) {
    object_->set(name, Poco::UInt64(value));
}

void Record::setTime(const std::string& name, std::int64_t value) {
    object_->set(name, Poco::Int64(value));
}

void Record::setFlag(const std::string& name, bool value) {
    object_->set(name, value);
}

std::optional<std::string> Record::getText(const std::string& name) const {
    Poco::Dynamic::Var value = object_->get(name);
    if (!value.isString()) return std::nullopt;
    return value.extract<std::string>();
}

std::optional<std::uint64_t> Record::getNumber(const std::string& name) const {
    return integerOf<Poco::UInt64>(object_->get(name));
}

std::optional<std::int64_t> Record::getTime(const std::string& name) const {
    const std::optional<Poco::Int64> time = integerOf<Poco::Int64>(object_->get(name));
    if (!time || *time < -kLastSecond || *time > kLastSecond) return std::nullopt;
    return time;
}

bool Record::getFlag(const std::string& name) const {
    Poco::Dynamic::Var value = object_->get(name);
    return value.isBoolean() && value.extract<bool>();
}

}  // namespace ociproxy
