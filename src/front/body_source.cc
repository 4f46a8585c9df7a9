#include "front/body_source.h"

#include <string>

#include "front/chunked_source.h"
#include "front/growing_source.h"
#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

class BytesSource final : public BodySource {
public:
    explicit BytesSource(BytesBody body) : bytes_(std::move(body.bytes)) {}

    Next next(Piece* piece) override {
        if (!ready()) return Next::kEnd;
        given_ = true;
        *piece = memoryPiece(bytes_, false, true);
        return Next::kPiece;
    }
    bool ready() override { return !given_ && !bytes_.empty(); }

private:
    std::string bytes_;
    bool given_ = false;
};

// Prefix, slice, prefix, slice, ..., suffix; empty ones left out.
class FileSource final : public BodySource {
public:
    explicit FileSource(FileBody body) : body_(std::move(body)) {}

    Next next(Piece* piece) override {
        if (!ready()) return Next::kEnd;
        const std::size_t slice = step_ / 2;
        if (slice == body_.slices.size()) {
            *piece = memoryPiece(body_.suffix, false, true);
        } else if (step_ % 2 == 0) {
            *piece = memoryPiece(prefix_, true, true);
        } else {
            const FileSlice& part = body_.slices[slice];
            *piece = filePiece(body_.file->get(), part.offset, part.size);
        }
        ++step_;
        return Next::kPiece;
    }

    bool ready() override {
        skipEmpty();
        return step_ < steps();
    }

private:
    std::size_t steps() const { return 2 * body_.slices.size() + 1; }
    bool isEmpty() {
        const std::size_t slice = step_ / 2;
        if (slice == body_.slices.size()) return body_.suffix.empty();
        if (step_ % 2 == 1) return body_.slices[slice].size == 0;
        if (!body_.prefix) return true;
        prefix_ = body_.prefix(body_.slices[slice]);
        return prefix_.empty();
    }
    void skipEmpty() {
        while (step_ < steps() && isEmpty()) ++step_;
    }

    FileBody body_;
    std::string prefix_;  // of the slice that comes next
    std::size_t step_ = 0;
};

}  // namespace

Piece memoryPiece(std::string_view text, bool more, bool body) {
    Piece piece;
    piece.bytes = text.data();
    piece.size = text.size();
    piece.more = more;
    piece.body = body;
    return piece;
}

Piece filePiece(int file, std::uint64_t offset, std::uint64_t size) {
    Piece piece;
    piece.file = file;
    piece.offset = offset;
    piece.size = size;
    return piece;
}

std::unique_ptr<BodySource> makeBodySource(Body body, const Framing& framing) {
    OCIPROXY_ASSERT(framing.sendBody);
    if (BytesBody* bytes = std::get_if<BytesBody>(&body)) {
        return std::make_unique<BytesSource>(std::move(*bytes));
    }
    if (FileBody* file = std::get_if<FileBody>(&body)) {
        return std::make_unique<FileSource>(std::move(*file));
    }
    std::unique_ptr<BodySource> source = makeGrowingSource(std::move(body), framing);
    if (framing.kind != Framing::Kind::kChunked) return source;
    return std::make_unique<ChunkedSource>(std::move(source));
}

}  // namespace ociproxy
