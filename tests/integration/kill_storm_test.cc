// Everything at once: clients that ask for more than was ever asked for before, and
// somebody who kills workers, or writes to their memory. Whatever is complete is right, one
// client in the midst is served in good time, and afterwards all is as it was.
// OCIPROXY_TORTURE_STORM_SECONDS and OCIPROXY_TORTURE_FLIPS say how much ("make torture").
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/metrics_page.h"
#include "integration/proc_view.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

using std::chrono::steady_clock;

constexpr unsigned kWorkers = 4;
constexpr unsigned kClients = 12;
constexpr std::size_t kWindow = 24;  // blobs that are asked for at a time
constexpr milliseconds kCanaryTime{1'000};
constexpr milliseconds kNoHang{2'000};

std::uint64_t numberFrom(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text != nullptr ? parseUnsigned(text).value_or(otherwise) : otherwise;
}

// What is written to everybody at once through the memory of one.
struct Mapping {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

// The master made it before the first fork, shared and without a file of its own.
Mapping sharedMappingOf(pid_t pid) {
    Mapping largest;
    for (const std::string& line : linesOf(readFile(cat("/proc/", pid, "/maps")))) {
        Mapping found;
        char kind[8] = {};
        unsigned long long begin = 0;
        unsigned long long end = 0;
        if (std::sscanf(line.c_str(), "%llx-%llx %7s", &begin, &end, kind) != 3) continue;
        if (std::string(kind) != "rw-s" || line.find("/dev/zero") == line.npos) continue;
        found = {begin, end};
        if (found.end - found.begin > largest.end - largest.begin) largest = found;
    }
    return largest;
}

}  // namespace

class KillStormTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(KillStormTest);
    OCIPROXY_INTEGRATION_TEST(killsHurtOnlyTheKilled);
    OCIPROXY_INTEGRATION_TEST(writtenMemoryHurtsNobodyForLong);
    CPPUNIT_TEST_SUITE_END();

public:
    void killsHurtOnlyTheKilled() {
        begin();
        const std::uint64_t seconds =
            numberFrom("OCIPROXY_TORTURE_STORM_SECONDS", underSanitizer() ? 8 : 15);
        const milliseconds every(seconds > 60 ? 2'000 : 1'000);
        storm([&] { killFor(std::chrono::seconds(seconds), every); }, true);
        CPPUNIT_ASSERT_MESSAGE(cat(canaryCuts_, " cuts of the canary"), canaryCuts_ <= kills_);
        CPPUNIT_ASSERT_EQUAL(0u, errors_.load());
        CPPUNIT_ASSERT_MESSAGE(cat(cuts_.load(), " cuts, ", kills_, " kills"),
                               cuts_ <= kills_ * kClients);
        assertGets();
        assertCalm();
    }

    // Errors, cuts and deaths may be; a wrong byte, a client that waits for ever, and
    // anything that lasts may not.
    void writtenMemoryHurtsNobodyForLong() {
        begin();
        const Mapping memory = sharedMappingOf(proxy().workers().front());
        CPPUNIT_ASSERT_MESSAGE("no shared mapping", memory.end > memory.begin);
        const std::uint64_t flips = numberFrom("OCIPROXY_TORTURE_FLIPS", 10'000);
        storm([&] { flip(memory, flips); }, false);
        assertCalm();
    }

private:
    void begin() {
        canaryBytes_ = randomBytes(200 * kKiB);
        canary_ = blob("canary", up().addBlob("canary", canaryBytes_));
        makeProxy({kWorkers, "", "", ""});
        proxy().configure(cat("workers = ", kWorkers, "\nlog_level = info\n", bounds(),
                              "admin_listen = 127.0.0.1:0\nfollow_after = 0s\n",
                              upstreamSection("up.test", up().url(), "aliases = up\n")));
        proxy().start();
        assertServed(get(canary_), canaryBytes_);
        before_ = scrape(proxy());
        sockets_ = sockets();
    }

    // The working set of a moment is three times what is kept.
    static std::string bounds() { return ""; }

    // Lets clients, canary and `harm` run; ends with the harm.
    void storm(const std::function<void()>& harm, bool strict) {
        for (std::size_t i = 0; i < kWindow; ++i) addBlob();
        Crowd crowd(kClients + 2, [&](unsigned index) {
            try {
                if (index == kClients + 1) harm();
                else if (index == kClients) watch(strict);
                else load(index);
            } catch (...) {
                over_ = true;
                throw;
            }
            if (index == kClients + 1) over_ = true;
        });
        crowd.join();
        std::cout << "  " << served_ << " served, " << cuts_ << " cut, " << errors_
                  << " errors; canary: " << canaryServed_ << " served, " << canaryCuts_
                  << " cut, the slowest took " << slowest_.count() << " ms; " << kills_
                  << " kills, " << up().blobGets() << " fetches of " << total() << " blobs"
                  << std::endl;
    }

    void killFor(std::chrono::seconds time, milliseconds every) {
        std::mt19937 random(7);
        const steady_clock::time_point end = steady_clock::now() + time;
        while (steady_clock::now() < end && !over_) {
            std::this_thread::sleep_for(every);
            const std::vector<pid_t> workers = proxy().workers();
            if (workers.empty()) continue;
            ::kill(workers[random() % workers.size()], SIGKILL);
            ++kills_;
        }
    }

    void flip(const Mapping& memory, std::uint64_t flips) {
        std::mt19937_64 random(11);
        for (std::uint64_t i = 0; i < flips && !over_; ++i) {
            if (i % 100 == 0) std::this_thread::sleep_for(milliseconds(20));
            flipOnce(memory, &random);
        }
    }

    // Through the master, which every other process shares the memory with.
    void flipOnce(const Mapping& memory, std::mt19937_64* random) {
        const Fd file(::open(cat("/proc/", proxy().master(), "/mem").c_str(), O_RDWR | O_CLOEXEC));
        CPPUNIT_ASSERT_MESSAGE("/proc/PID/mem cannot be opened", file);
        const off_t at =
            static_cast<off_t>(memory.begin + (*random)() % (memory.end - memory.begin));
        unsigned char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::pread(file.get(), &byte, 1, at));
        byte = static_cast<unsigned char>(byte ^ (1 + (*random)() % 255));
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::pwrite(file.get(), &byte, 1, at));
    }

    void load(unsigned index) {
        std::mt19937 random(index);
        while (!over_) {
            TestClient client(proxy().port());
            for (int i = 0; i < 10 && !over_; ++i) {
                if (random() % 16 == 0) addBlob();
                if (!ask(&client, static_cast<unsigned>(random()))) break;
            }
        }
    }

    // False: the connection was cut.
    bool ask(TestClient* client, unsigned choice) {
        const std::string bytes = pick(choice);
        const std::string target = blob("a", digestText(bytes));
        const bool headOnly = choice % 10 == 0;
        const Response response = headOnly ? client->head(target) : client->get(target);
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.ending != Ending::kTimeout &&
                                                       response.ending != Ending::kMalformed);
        if (!response.complete()) {
            ++cuts_;
            return false;
        }
        if (response.status != 200) {
            ++errors_;
            return false;
        }
        if (!headOnly) assertServed(response, bytes);
        ++served_;
        return true;
    }

    // Alternately on a connection that stays and on a new one.
    void watch(bool strict) {
        std::unique_ptr<TestClient> staying;
        while (!over_) {
            if (!staying) staying = std::make_unique<TestClient>(proxy().port());
            TestClient fresh(proxy().port());
            TestClient& client = canaryServed_ % 2 == 0 ? *staying : fresh;
            const steady_clock::time_point start = steady_clock::now();
            const Response response = client.get(canary_);
            const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
            slowest_ = std::max(slowest_, took);
            if (!response.complete()) {
                assertNotServed(response);
                ++canaryCuts_;
                staying.reset();
                continue;
            }
            if (strict || response.status == 200) assertServed(response, canaryBytes_);
            CPPUNIT_ASSERT_MESSAGE(cat("the canary waited for ", took.count(), " ms"),
                                   took < (strict ? kCanaryTime : kNoHang * 2) * slowness());
            ++canaryServed_;
            std::this_thread::sleep_for(milliseconds(50));
        }
    }

    // Every death may cost a fetch of what the dead one fetched; what it fetched first is
    // counted by the table.
    void assertGets() {
        const Growth growth = counterGrowth(before_, scrape(proxy()));
        const auto grown = [&](const char* series) {
            const Growth::const_iterator it = growth.find(series);
            return it == growth.end() ? 0.0 : it->second;
        };
        const double allowed = static_cast<double>(total()) + 1 + kills_ * kClients +
                               grown("ociproxy_fills_taken_over_total") +
                               grown("ociproxy_fills_resumed_total");
        CPPUNIT_ASSERT_MESSAGE(cat(up().blobGets(), " fetches, ", std::to_string(allowed), " allowed"),
                               static_cast<double>(up().blobGets()) <= allowed);
    }

    // All is served, by as many workers as before, and nothing is held any more.
    void assertCalm() {
        const milliseconds within = milliseconds(30'000) * slowness();
        await("all workers", [&] { return proxy().workers().size() == kWorkers; }, within);
        for (std::size_t i = 0; i < kWindow; ++i) {
            const std::string bytes = pick(static_cast<unsigned>(i));
            const std::string target = blob("a", digestText(bytes));
            await("a right answer", [&] {
                const Response response = get(target);
                if (response.complete() && response.status == 200) assertServed(response, bytes);
                return response.complete() && response.status == 200;
            }, within);
        }
        await("no claim is held", [&] { return claimsHeld() == 0; }, within);
        await("sockets are closed", [&] { return sockets() <= sockets_ + 8 * kWorkers; }, within);
        expectLeftOvers();  // partial files that nobody asked for again wait for the janitor
        up().forgetRequests();
    }

    // Not read strictly: what was written over the counters stays.
    std::size_t claimsHeld() {
        const std::string page = fetch(adminPort(proxy()), "/metrics").body;
        std::size_t idle = 0;
        for (const char* state : {"running", "verified"}) {
            idle += countOf(page, cat("ociproxy_claims{state=\"", state, "\"} 0\n"));
        }
        return 2 - idle;
    }

    std::size_t sockets() {
        std::size_t count = 0;
        for (pid_t worker : proxy().workers()) count += socketsOf(worker);
        return count;
    }

    void addBlob() {
        const std::lock_guard<std::mutex> lock(mutex_);
        window_.push_back(randomBytes(64 * kKiB + (total_ * 7919) % (2 * kMiB)));
        up().addBlob("a", window_.back());
        if (window_.size() > kWindow) window_.erase(window_.begin());
        ++total_;
    }

    std::string pick(unsigned choice) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return window_[choice / 16 % window_.size()];
    }

    std::size_t total() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return total_;
    }

    std::string canaryBytes_;
    std::string canary_;
    ExpositionPage before_;
    std::size_t sockets_ = 0;
    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::vector<std::string> window_;
    std::size_t total_ = 0;
    std::atomic<std::uint64_t> served_{0};
    std::atomic<unsigned> cuts_{0};
    std::atomic<unsigned> errors_{0};
    unsigned kills_ = 0;             // of the killer's thread
    std::uint64_t canaryServed_ = 0;  // of the canary's thread
    unsigned canaryCuts_ = 0;
    milliseconds slowest_{0};
};

CPPUNIT_TEST_SUITE_REGISTRATION(KillStormTest);

}  // namespace ociproxy::itest
