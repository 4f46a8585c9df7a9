#ifndef OCIPROXY_FRONT_GROWING_BODY_H
#define OCIPROXY_FRONT_GROWING_BODY_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ociproxy/front/stream_source.h"

namespace ociproxy {

// A file that somebody still writes, as the front sees it: one object per reply.
// descriptor() and now() are called by one sender thread at a time; the wake
// function is called by others.
class GrowingBody {
public:
    enum class State : std::uint8_t {
        kGrowing,   // more may come
        kComplete,  // `readable` is the length and final
        kBroken,    // nothing more will come: cut the connection
        kForsaken,  // nothing more will come here: continuation() has the rest
    };
    struct Snapshot {
        State state = State::kGrowing;
        std::uint64_t readable = 0;  // bytes from 0 that may be sent (hold-back observed)
        std::optional<std::uint64_t> length;
    };

    virtual ~GrowingBody() = default;

    // The file, open for reading; valid as long as the object. Once bytes were sent it only
    // changes to a file with the same bytes so far: anything else makes the body kBroken.
    virtual int descriptor() const noexcept = 0;
    virtual Snapshot now() noexcept = 0;
    // `wake` is called after every change from now on, from any thread, at least
    // once per change and maybe more often; it must not block. An empty function
    // ends that; when the call returns no wake is running any more.
    virtual void setWake(std::function<void()> wake) = 0;
    // In kForsaken: the bytes from `offset` to before `end` (nullopt: to the end of all)
    // from another source. nullptr: there is none, as if kBroken.
    virtual std::shared_ptr<StreamSource> continuation(std::uint64_t offset,
                                                       std::optional<std::uint64_t> end) {
        (void)offset;
        (void)end;
        return nullptr;
    }
};

}  // namespace ociproxy

#endif
