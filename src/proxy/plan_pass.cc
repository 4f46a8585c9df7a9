// The planner's part where the store does not serve.
#include "proxy/planner_inquiry.h"
#include "proxy/store_trouble.h"

namespace ociproxy {

void Planner::trouble(std::string_view what, const SysError& cause) const noexcept {
    if (options_.trouble) options_.trouble->report(what, cause);
}

std::optional<StoredContent> Planner::open(const Inquiry& inquiry, const Digest& digest) const {
    try {
        return options_.store->open(digest, inquiry.target.kind());
    } catch (const SysError& e) {
        trouble(digest.text(), e);
        return {};
    }
}

std::optional<Link> Planner::linkOf(const Inquiry& inquiry, const Digest& digest) const {
    try {
        return options_.store->link(inquiry.target.where, inquiry.target.kind(), digest);
    } catch (const SysError& e) {
        trouble("link", e);
        return {};
    }
}

std::optional<TagEntry> Planner::tagEntry(const Inquiry& inquiry) const {
    if (inquiry.findings.tagEntry) return inquiry.findings.tagEntry;
    try {
        return options_.store->tag(inquiry.target.where, inquiry.target.reference->tagName());
    } catch (const SysError& e) {
        trouble("tag", e);
        return {};
    }
}

void Planner::promote(const Inquiry& inquiry, const Digest& next) const {
    try {
        promoteTag(options_.store, inquiry.target.where, inquiry.target.reference->tagName(), next);
    } catch (const SysError& e) {
        trouble("tag", e);
    }
}

// A range is asked for as it is where that may go out unverified; else the client gets the
// whole, as RFC 9110 14.2 allows. So it does for the last bytes of what has no known length.
Step Planner::passThrough(const Inquiry& inquiry, const std::optional<Digest>& digest,
                          PassReason reason) const {
    Step step = work(inquiry, WorkKind::kPassThrough, digest);
    WorkOrder* const order = std::get_if<WorkOrder>(&step);
    if (!order || order->kind != WorkKind::kPassThrough) return step;
    order->reason = reason;
    order->needsLength = inquiry.request.minorVersion == 0;
    order->headOnly = inquiry.request.method == Method::kHead;
    if (inquiry.target.kind() != ContentKind::kBlob || !options_.unverifiedRanges) return step;
    const std::optional<RangeSpec> spec =
        digest ? onlyRange(inquiry.request, *digest) : onlyRange(inquiry.request);
    if (!spec) return step;
    if (spec->kind != RangeSpec::Kind::kSuffix) {
        order->first = spec->first;
        if (spec->kind == RangeSpec::Kind::kClosed) order->last = spec->last;
    } else if (inquiry.findings.head) {
        if (const std::optional<ByteRange> range = satisfy(*spec, inquiry.findings.head->size)) {
            order->first = range->first;
            order->last = range->last;
        }
    }
    return step;
}

// Whether a range with an end of its own is asked for that the fill comes to much later. One
// that goes to the end is part of a download of the whole: it follows.
bool Planner::isFarAhead(const Inquiry& inquiry, const Digest& digest,
                         const ClaimView& view) const {
    if (!view.started || view.state != ClaimState::kRunning || !options_.unverifiedRanges) {
        return false;
    }
    if (inquiry.target.kind() != ContentKind::kBlob) return false;
    const std::optional<RangeSpec> spec = onlyRange(inquiry.request, digest);
    if (!spec || spec->kind == RangeSpec::Kind::kOpen) return false;
    const bool known = view.total != kUnknownLength;
    if (spec->kind == RangeSpec::Kind::kSuffix && !known) return false;
    const std::optional<ByteRange> range = satisfy(*spec, known ? view.total : UINT64_MAX);
    if (!range || range->first < view.bytes + kFarAhead) return false;
    if (known) inquiry.findings.head = HeadFacts{view.total, std::string()};
    return true;
}

}  // namespace ociproxy
