#ifndef OCIPROXY_SRC_STORE_RECORD_H
#define OCIPROXY_SRC_STORE_RECORD_H

#include <cstdint>
#include <optional>
#include <string>

#include <Poco/JSON/Object.h>

namespace ociproxy {

// One small JSON object on disk. Reading is tolerant towards the file and strict towards
// the value: anything odd makes a field, or the whole record, absent; nothing throws but
// std::bad_alloc. A value; one thread at a time.
class Record {
public:
    Record();  // empty

    // nullopt when `text` is not one JSON object.
    static std::optional<Record> parse(const std::string& text);
    std::string text() const;  // with a line feed at the end

    // Bytes that are not printable ASCII become '?': the file must stay readable.
    void setText(const std::string& name, const std::string& value);
    void setNumber(const std::string& name, std::uint64_t value);
    void setTime(const std::string& name, std::int64_t value);
    void setFlag(const std::string& name, bool value);

    std::optional<std::string> getText(const std::string& name) const;
    std::optional<std::uint64_t> getNumber(const std::string& name) const;
    // Not one so far from now that reckoning with it could overflow.
    std::optional<std::int64_t> getTime(const std::string& name) const;
    bool getFlag(const std::string& name) const;  // only `true` is true

private:
    explicit Record(Poco::JSON::Object::Ptr object);
    Poco::JSON::Object::Ptr object_;
};

}  // namespace ociproxy

#endif
