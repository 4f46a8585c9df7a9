-- Says in figures what wrk prints for people: requests, seconds, errors, latencies in seconds.
function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"requests":%d,"seconds":%f,"errors":%d,"p50":%f,"p99":%f}\n',
        summary.requests, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
