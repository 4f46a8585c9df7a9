#include "proxy/metrics_page.h"

#include <algorithm>

#include "ociproxy/shm/shared_state.h"
#include "proxy/exposition.h"
#include "proxy/failure_cause.h"

namespace ociproxy {

namespace {

struct CounterFamily {
    Counter counter;
    const char* name;
    const char* help;
};

constexpr CounterFamily kTraffic[] = {
    {Counter::kRequests, "ociproxy_requests_received_total",
     "Client requests whose head was understood, answered or not."},
    {Counter::kBadRequests, "ociproxy_requests_refused_total",
     "Client requests whose head was refused."},
    {Counter::kConnections, "ociproxy_connections_accepted_total",
     "Client connections accepted."},
    {Counter::kTlsHandshakes, "ociproxy_tls_handshakes_total",
     "TLS handshakes with clients that succeeded."},
    {Counter::kTlsResumed, "ociproxy_tls_sessions_resumed_total",
     "TLS handshakes with clients that took up an earlier session."},
    {Counter::kTlsFailures, "ociproxy_tls_handshake_failures_total",
     "TLS handshakes with clients that failed, plain text and time-outs included."},
    {Counter::kBytesSent, "ociproxy_client_sent_bytes_total",
     "Bytes of bodies sent to clients, counted when a reply ends."},
    {Counter::kBytesSaved, "ociproxy_saved_bytes_total",
     "Bytes of bodies sent to clients without being fetched for them: hits, follows, stale."},
    {Counter::kBytesFetched, "ociproxy_upstream_fetched_bytes_total",
     "Bytes of bodies fetched from upstreams."},
};

constexpr CounterFamily kFills[] = {
    {Counter::kFillsCommitted, "ociproxy_fills_committed_total",
     "Downloads of a blob or manifest that ended in the cache."},
    {Counter::kFillsTakenOver, "ociproxy_fills_taken_over_total",
     "Downloads that went on for a worker that had died."},
    {Counter::kFillsResumed, "ociproxy_fills_resumed_total",
     "Times that a download went on after its connection had broken."},
    {Counter::kDigestMismatches, "ociproxy_digest_mismatches_total",
     "Downloads whose content did not hash to its digest."},
    {Counter::kContentDamaged, "ociproxy_content_damaged_total",
     "Things in the cache that were found damaged or foreign and taken out of it."},
    {Counter::kContentVerified, "ociproxy_content_verified_bytes_total",
     "Bytes of content in the cache that were hashed again: scrub_rate, verify_on_read."},
};

constexpr CounterFamily kInner[] = {
    {Counter::kStoreTroubles, "ociproxy_store_troubles_total",
     "Times that the cache failed while a request was served."},
    {Counter::kTokensFetched, "ociproxy_tokens_fetched_total",
     "Bearer tokens fetched from token servers."},
    {Counter::kClaimTableFull, "ociproxy_claim_table_full_total",
     "Claims refused because the claim table had no slot."},
    {Counter::kLockRepaired, "ociproxy_lock_repairs_total",
     "Locks in shared memory taken from a process that had died with them."},
    {Counter::kLogDropped, "ociproxy_log_records_dropped_total",
     "Log records that could not be written."},
    {Counter::kWorkerStarts, "ociproxy_worker_starts_total", "Worker processes started."},
};

template <class Place>
struct Labelled {
    Place place;
    const char* label;
};

constexpr Labelled<WorkerGauge> kStates[] = {
    {WorkerGauge::kConnectionsSecuring, "securing"},
    {WorkerGauge::kConnectionsIdle, "idle"},
    {WorkerGauge::kConnectionsReading, "reading"},
    {WorkerGauge::kConnectionsHandled, "handled"},
    {WorkerGauge::kConnectionsSending, "sending"},
    {WorkerGauge::kConnectionsBlocked, "blocked"},
    {WorkerGauge::kConnectionsFollowing, "following"},
    {WorkerGauge::kConnectionsLingering, "lingering"},
};

constexpr Labelled<Counter> kRefusals[] = {
    {Counter::kRefusedTooMany, "too_many"},
    {Counter::kRefusedTooManyOfClient, "too_many_of_client"},
    {Counter::kRefusedUntrusted, "untrusted"},
    {Counter::kRefusedProxyHeader, "proxy_header"},
};

constexpr Labelled<Counter> kPassed[] = {
    {Counter::kPassedStoreTrouble, "store_trouble"},
    {Counter::kPassedNoRoom, "no_room"},
    {Counter::kPassedTableFull, "table_full"},
    {Counter::kPassedFarRange, "far_range"},
    {Counter::kPassedForsaken, "forsaken"},
    {Counter::kPassedUnknownAlgorithm, "unknown_algorithm"},
};

constexpr Labelled<Counter> kDeaths[] = {
    {Counter::kDeathsExit, "exit"},       {Counter::kDeathsConfig, "config"},
    {Counter::kDeathsFailed, "failed"},   {Counter::kDeathsKilled, "killed"},
    {Counter::kDeathsAborted, "aborted"}, {Counter::kDeathsCrashed, "crashed"},
    {Counter::kDeathsSignal, "signal"},
};

// Writes one page; each method one group of families.
class MetricsPage {
public:
    MetricsPage(SharedState& shared, Exposition* out)
        : shared_(shared), counters_(shared.counters()), out_(*out) {}

    void write(std::string_view version) {
        build(version);
        requests();
        families(kTraffic);
        connections();
        fills();
        claims();
        upstreams();
        families(kInner);
        workers();
        cache();
    }

private:
    template <std::size_t Count>
    void families(const CounterFamily (&table)[Count]) {
        for (const CounterFamily& family : table) {
            out_.counter(family.name, family.help);
            out_.sample(counters_.get(family.counter));
        }
    }

    void gauge(const char* name, const char* help, std::uint64_t value) {
        out_.gauge(name, help);
        out_.sample(value);
    }

    // A change is two additions: a sum in between may be below zero.
    std::uint64_t now(WorkerGauge gauge) const {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(counters_.get(gauge), 0));
    }

    template <class Visit>
    void forEachResult(const Visit& visit) {
        for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(RequestResult::kCount); ++i) {
            const RequestResult result = static_cast<RequestResult>(i);
            visit(result, Exposition::Label{"result", requestResultName(result)});
        }
    }

    void build(std::string_view version) {
        out_.gauge("ociproxy_build_info", "1; the version is a label.");
        out_.sample(1, {{"version", version}});
    }

    void requests() {
        out_.counter("ociproxy_requests_total",
                     "Client requests that got a reply, by what it came from.");
        forEachResult([this](RequestResult result, const Exposition::Label& label) {
            out_.sample(counters_.duration(result).count(), {label});
        });
        out_.histogram("ociproxy_request_first_byte_seconds",
                       "Time from the end of a request's head to the first byte of its reply.");
        forEachResult([this](RequestResult result, const Exposition::Label& label) {
            out_.sample(counters_.firstByte(result), {label});
        });
        out_.histogram("ociproxy_request_duration_seconds",
                       "Time from the end of a request's head to the last byte of its reply.");
        forEachResult([this](RequestResult result, const Exposition::Label& label) {
            out_.sample(counters_.duration(result), {label});
        });
    }

    void connections() {
        out_.gauge("ociproxy_connections", "Client connections by what they do.");
        for (const auto& state : kStates) out_.sample(now(state.place), {{"state", state.label}});
        out_.counter("ociproxy_connections_refused_total",
                     "Client connections refused before their first request, by reason.");
        for (const auto& refusal : kRefusals) {
            out_.sample(counters_.get(refusal.place), {{"reason", refusal.label}});
        }
    }

    void fills() {
        gauge("ociproxy_fills_running", "Downloads of blobs and manifests that run.",
              now(WorkerGauge::kFillsRunning));
        families(kFills);
        out_.counter("ociproxy_fills_failed_total", "Downloads that failed, by cause.");
        for (std::uint32_t cause = 0; cause < failureCauses(); ++cause) {
            out_.sample(counters_.fillsFailed(cause), {{"cause", failureCauseName(cause)}});
        }
        out_.counter("ociproxy_passed_total",
                     "Bodies that went to a client past the cache, by reason.");
        for (const auto& passed : kPassed) {
            out_.sample(counters_.get(passed.place), {{"reason", passed.label}});
        }
        gauge("ociproxy_followers", "Replies that are sent from a download that runs.",
              now(WorkerGauge::kFollowers));
    }

    // Without the lock there is nothing to say.
    void claims() {
        const std::optional<ClaimTable::Census> census = shared_.claims().census();
        if (!census) return;
        gauge("ociproxy_claim_slots", "Size of the claim table.", census->slots);
        out_.gauge("ociproxy_claims", "Used slots of the claim table, by state.");
        for (std::size_t i = 1; i < census->inState.size(); ++i) {
            const char* state = claimStateName(static_cast<ClaimState>(i));
            out_.sample(census->inState[i], {{"state", state}});
        }
    }

    void upstreams() {
        const std::vector<UpstreamStats::Row> rows = shared_.upstreams().rows();
        out_.counter("ociproxy_upstream_requests_total",
                     "Requests sent to upstreams, each redirect and token request included.");
        for (const UpstreamStats::Row& row : rows) upstreamRequests(row);
        out_.histogram("ociproxy_upstream_request_duration_seconds",
                       "Time from a request to an upstream to the head of the answer.");
        for (const UpstreamStats::Row& row : rows) {
            out_.sample(row.duration, {{"upstream", row.name}});
        }
    }

    void upstreamRequests(const UpstreamStats::Row& row) {
        for (std::size_t i = 0; i < row.requests.size(); ++i) {
            const char* code = upstreamOutcomeName(static_cast<UpstreamOutcome>(i));
            out_.sample(row.requests[i], {{"upstream", row.name}, {"code", code}});
        }
    }

    void workers() {
        out_.counter("ociproxy_worker_deaths_total", "Worker processes that ended, by cause.");
        for (const auto& death : kDeaths) {
            out_.sample(counters_.get(death.place), {{"cause", death.label}});
        }
        gauge("ociproxy_workers_accepting", "Workers that take new connections.",
              shared_.workers().acceptingCount());
    }

    void cache() {
        gauge("ociproxy_cache_bytes", "Bytes of content in the cache, measured every minute.",
              counters_.get(Gauge::kStoreBytes));
        gauge("ociproxy_cache_files", "Files of content in the cache, measured every minute.",
              counters_.get(Gauge::kStoreFiles));
        gauge("ociproxy_cache_used_bytes",
              "Bytes that content, records and downloads take on disk.",
              counters_.get(Gauge::kStoreUsed));
        gauge("ociproxy_cache_limit_bytes", "Bytes that they may take; 0: no bound.",
              counters_.get(Gauge::kStoreLimit));
        out_.counter("ociproxy_evicted_files_total", "Files evicted from the cache.");
        out_.sample(counters_.get(Counter::kEvictedFiles));
        out_.counter("ociproxy_evicted_bytes_total", "Bytes of content in them.");
        out_.sample(counters_.get(Counter::kEvictedBytes));
        gauge("ociproxy_cache_writable", "1 if the cache could be written to at the last look.",
              counters_.get(Gauge::kStoreWritable));
    }

    SharedState& shared_;
    const Counters& counters_;
    Exposition& out_;
};

}  // namespace

std::string metricsText(SharedState& shared, std::string_view version) {
    Exposition out;
    MetricsPage(shared, &out).write(version);
    return std::move(out).text();
}

}  // namespace ociproxy
