#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "front/connection.h"
#include "front/deadline_heap.h"
#include "front/pace.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

TimePoint at(int seconds) { return TimePoint{} + std::chrono::seconds(seconds); }

std::shared_ptr<Connection> connection(std::uint64_t id) {
    return std::make_shared<Connection>(id, Fd(), Peer());
}

// The numbers of the connections that are due, in order, until none is.
std::string due(DeadlineHeap* heap, const std::vector<std::shared_ptr<Connection>>& all,
                TimePoint time) {
    std::string out;
    std::uint64_t id = 0;
    TimePoint entry;
    while (heap->pop(time, &id, &entry)) {
        for (const std::shared_ptr<Connection>& one : all) {
            if (one->id == id && heap->isDue(one.get(), entry, time)) {
                one->deadline = DeadlineHeap::never();
                out += std::to_string(id) + ' ';
            }
        }
    }
    return out;
}

}  // namespace

// Deadlines, rates and caps.
class FrontLimitsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontLimitsTest);
    CPPUNIT_TEST(paceCutsAStalledReader);
    CPPUNIT_TEST(paceCutsWhoStopsAfterAWhile);
    CPPUNIT_TEST(paceCountsOnlyBlockedTime);
    CPPUNIT_TEST(paceSeesProgressBehindTheBuffers);
    CPPUNIT_TEST(paceCutsATrickle);
    CPPUNIT_TEST(paceStartsNewWindows);
    CPPUNIT_TEST(deadlinesMoveBackForNothing);
    CPPUNIT_TEST(deadlinesMoveForward);
    CPPUNIT_TEST(deadlinesOfTheGone);
    CPPUNIT_TEST(case215_slowHeadIs408);
    CPPUNIT_TEST(slowHeadsHurtNobody);
    CPPUNIT_TEST(silentConnectionIsClosed);
    CPPUNIT_TEST(idleKeepAliveIsClosed);
    CPPUNIT_TEST(tooManyConnectionsGet503);
    CPPUNIT_TEST(fullQueueGets503);
    CPPUNIT_TEST(lingeringIsBounded);
    CPPUNIT_TEST(case214_rangeFieldLimit);
    CPPUNIT_TEST(noDescriptorsLeft);
    CPPUNIT_TEST(idleConnectionsAreCheap);
    CPPUNIT_TEST_SUITE_END();

    static PaceLimits limits() {
        PaceLimits limits;
        limits.writeStall = Millis(15'000);
        limits.minRate = 1000;
        limits.minRateWindow = Millis(30'000);
        return limits;
    }

    static std::size_t count(const Fd& file, const std::string& part) {
        std::string text(65536, '\0');
        text.resize(preadAll(file.get(), text.data(), text.size(), 0, "log"));
        std::size_t found = 0;
        for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
        return found;
    }

public:
    void paceCutsAStalledReader() {
        Pace pace(limits());
        pace.blocked(at(100), 5);
        CPPUNIT_ASSERT(pace.deadline() == at(105));
        CPPUNIT_ASSERT(!pace.tooSlow(at(105), 5));
        CPPUNIT_ASSERT(!pace.tooSlow(at(110), 5));
        CPPUNIT_ASSERT(pace.tooSlow(at(115), 5));
    }

    void paceCutsWhoStopsAfterAWhile() {
        Pace pace(limits());
        pace.blocked(at(0), 0);
        CPPUNIT_ASSERT(!pace.tooSlow(at(5), 100'000));  // taken just after the begin
        CPPUNIT_ASSERT(!pace.tooSlow(at(10), 100'000));
        CPPUNIT_ASSERT(!pace.tooSlow(at(15), 100'000));
        CPPUNIT_ASSERT(pace.tooSlow(at(20), 100'000));
    }

    void paceCountsOnlyBlockedTime() {
        Pace pace(limits());
        int time = 100;
        std::int64_t delivered = 0;
        for (int i = 0; i < 100; ++i) {
            pace.blocked(at(time), delivered);
            pace.resumed(at(time), delivered);
            time += 1000;  // parked, or waiting for a sender
        }
        pace.blocked(at(time), delivered);
        CPPUNIT_ASSERT(pace.deadline() == at(time + 5));
        pace.resumed(at(time + 10), delivered);  // 10 s without progress count
        pace.blocked(at(time + 500), delivered);
        CPPUNIT_ASSERT(pace.deadline() == at(time + 505));
        CPPUNIT_ASSERT(pace.tooSlow(at(time + 505), delivered));
    }

    void paceSeesProgressBehindTheBuffers() {
        Pace pace(limits());
        pace.blocked(at(0), -1'000'000);  // the kernel still holds an earlier reply
        CPPUNIT_ASSERT(!pace.tooSlow(at(15), -950'000));
        CPPUNIT_ASSERT(pace.deadline() == at(20));
        CPPUNIT_ASSERT(!pace.tooSlow(at(30), -900'000));
        CPPUNIT_ASSERT(pace.deadline() == at(35));
        CPPUNIT_ASSERT(pace.tooSlow(at(45), -900'000));
    }

    void paceCutsATrickle() {
        Pace pace(limits());
        pace.blocked(at(0), 0);
        CPPUNIT_ASSERT(!pace.tooSlow(at(10), 10));
        CPPUNIT_ASSERT(!pace.tooSlow(at(20), 20));
        CPPUNIT_ASSERT(pace.deadline() == at(25));
        CPPUNIT_ASSERT(pace.tooSlow(at(30), 29'999));
    }

    void paceStartsNewWindows() {
        Pace pace(limits());
        pace.blocked(at(0), 0);
        CPPUNIT_ASSERT(!pace.tooSlow(at(15), 1'000'000));
        CPPUNIT_ASSERT(!pace.tooSlow(at(30), 1'000'001));
        // What was fast once does not help for ever.
        CPPUNIT_ASSERT(!pace.tooSlow(at(44), 1'000'100));
        CPPUNIT_ASSERT(!pace.tooSlow(at(58), 1'000'200));
        CPPUNIT_ASSERT(pace.deadline() == at(60));
        CPPUNIT_ASSERT(pace.tooSlow(at(60), 1'000'300));
    }

    void deadlinesMoveBackForNothing() {
        DeadlineHeap heap;
        const std::shared_ptr<Connection> one = connection(1);
        for (int i = 0; i < 1000; ++i) heap.set(one.get(), at(100 + i));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), heap.size());
        CPPUNIT_ASSERT_EQUAL(std::string(), due(&heap, {one}, at(1098)));
        CPPUNIT_ASSERT_EQUAL(1000, heap.timeout(at(1098)));
        CPPUNIT_ASSERT_EQUAL(std::string("1 "), due(&heap, {one}, at(1099)));
        CPPUNIT_ASSERT_EQUAL(-1, heap.timeout(at(1099)));
    }

    void deadlinesMoveForward() {
        DeadlineHeap heap;
        const std::shared_ptr<Connection> one = connection(1);
        const std::shared_ptr<Connection> two = connection(2);
        heap.set(one.get(), at(50));
        heap.set(two.get(), at(40));
        heap.set(one.get(), at(30));
        CPPUNIT_ASSERT_EQUAL(std::string("1 2 "), due(&heap, {one, two}, at(40)));
        // The old entry of 1 is skipped; a new deadline of it still counts.
        heap.set(one.get(), at(60));
        CPPUNIT_ASSERT_EQUAL(std::string(), due(&heap, {one, two}, at(59)));
        CPPUNIT_ASSERT_EQUAL(std::string("1 "), due(&heap, {one, two}, at(60)));
    }

    void deadlinesOfTheGone() {
        DeadlineHeap heap;
        const std::shared_ptr<Connection> one = connection(1);
        heap.set(one.get(), at(10));
        heap.set(one.get(), DeadlineHeap::never());
        CPPUNIT_ASSERT_EQUAL(std::string(), due(&heap, {one}, at(10)));
        heap.set(one.get(), at(20));
        CPPUNIT_ASSERT_EQUAL(std::string(), due(&heap, {}, at(20)));
        CPPUNIT_ASSERT_EQUAL(std::size_t(0), heap.size());
    }

    void case215_slowHeadIs408() {
        FrontFixture front;
        front.options.headerTimeout = Millis(500);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(408, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(!finished.hasRequest);
        CPPUNIT_ASSERT_EQUAL(408, finished.status);
    }

    // Also one that keeps sending single bytes: the deadline is for the whole head.
    void slowHeadsHurtNobody() {
        FrontFixture front;
        front.options.headerTimeout = Millis(1000);
        front.options.maxHead = 1 << 30;  // out of reach: time is to end it
        front.start();
        std::vector<FrontClient> slow;
        for (int i = 0; i < 100; ++i) {
            slow.push_back(front.connect());
            slow.back().send("GET / HTTP/1.1\r\n");
        }
        for (int i = 0; i < 20; ++i) {
            FrontClient other = front.connect();
            other.get("/");
            CPPUNIT_ASSERT_EQUAL(200, other.read().status);
        }
        FrontClient trickling = front.connect();
        trickling.send("GET / HTTP/1.1\r\nX: ");
        int trickled = 0;
        std::thread reader([&] { trickled = trickling.read().status; });
        const TimePoint deadline = now() + kFrontPatience;
        for (std::size_t done = 0; done < 121 && now() < deadline;) {
            if (!trickling.trySend("x")) break;
            done = front.application.waitFinished(20).size();
            std::this_thread::yield();
        }
        reader.join();
        CPPUNIT_ASSERT_EQUAL(408, trickled);
        for (FrontClient& client : slow) CPPUNIT_ASSERT_EQUAL(408, client.read().status);
    }

    void silentConnectionIsClosed() {
        FrontFixture front;
        front.options.headerTimeout = Millis(50);
        front.options.keepAliveTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient client = front.connect();
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void idleKeepAliveIsClosed() {
        FrontFixture front;
        front.options.keepAliveTimeout = Millis(50);
        front.options.headerTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), front.application.waitFinished(1).size());
    }

    void tooManyConnectionsGet503() {
        FrontFixture front;
        front.options.maxConnections = 2;
        front.start();
        FrontClient one = front.connect();
        FrontClient two = front.connect();
        for (FrontClient* client : {&one, &two}) {
            client->get("/");
            CPPUNIT_ASSERT_EQUAL(200, client->read().status);
        }
        FrontClient three = front.connect();
        three.get("/");
        const ClientReply reply = three.read();
        CPPUNIT_ASSERT_EQUAL(503, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("1"), reply.field("Retry-After"));
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(three.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), front.application.handled().size());
        one.get("/again");
        CPPUNIT_ASSERT_EQUAL(200, one.read().status);
        one.close();
        two.close();
        three.close();
        front.waitIdle();
        FrontClient four = front.connect();
        four.get("/");
        CPPUNIT_ASSERT_EQUAL(200, four.read().status);
    }

    void fullQueueGets503() {
        std::mutex gate;  // outlives the server
        FrontFixture front;
        front.options.handlers = 1;
        front.options.maxQueued = 1;
        gate.lock();
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            const std::lock_guard<std::mutex> lock(gate);
            exchange->reply(bytesReply("ok"));
        });
        front.start();
        FrontClient handled = front.connect();
        handled.get("/1");
        front.application.waitHandled(1);
        // One of the next two waits in the queue, the other finds it full.
        FrontClient second = front.connect();
        FrontClient third = front.connect();
        second.get("/2");
        third.get("/3");
        const FinishedCopy refused = front.application.waitFinished(1)[0];
        gate.unlock();
        CPPUNIT_ASSERT_EQUAL(503, refused.status);
        CPPUNIT_ASSERT(refused.hasRequest);
        const ClientReply two = second.read();
        const ClientReply three = third.read();
        CPPUNIT_ASSERT_EQUAL(200 + 503, two.status + three.status);
        const ClientReply& busy = two.status == 503 ? two : three;
        CPPUNIT_ASSERT_EQUAL(std::string("1"), busy.field("Retry-After"));
        CPPUNIT_ASSERT_EQUAL(200, handled.read().status);
    }

    void lingeringIsBounded() {
        FrontFixture front;
        front.options.lingerTimeout = Millis(50);
        front.start();
        FrontClient client = front.connect();
        client.send("BAD\r\n");
        CPPUNIT_ASSERT_EQUAL(400, client.read().status);
        front.waitIdle();  // although the client neither sends nor closes
        FrontFixture endless;
        endless.start();
        FrontClient flooding = endless.connect();
        flooding.send("BAD\r\n");
        const std::string block(1024 * 1024, 'x');
        for (int i = 0; i < 1000 && flooding.trySend(block); ++i) {
        }
        CPPUNIT_ASSERT(!flooding.trySend(block));
        endless.waitIdle();
    }

    void case214_rangeFieldLimit() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send(cat("GET / HTTP/1.1\r\nHost: h\r\nRange: ", std::string(64 * 1024, '1'),
                        "\r\n\r\n"));
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        client.send(cat("GET / HTTP/1.1\r\nHost: h\r\nRange: ", std::string(64 * 1024 + 1, '1'),
                        "\r\n\r\n"));
        CPPUNIT_ASSERT_EQUAL(431, client.read().status);
    }

    // The acceptor waits, says so once, and goes on when there are descriptors again.
    void noDescriptorsLeft() {
        char name[] = "/tmp/ociproxy-front-XXXXXX";
        const Fd lines(::mkstemp(name));
        Log log(name, LogLevel::kInfo);
        FrontFixture front;
        front.options.log = &log;
        front.start();
        FrontClient warm = front.connect();
        warm.get("/1");
        CPPUNIT_ASSERT_EQUAL(200, warm.read().status);
        std::vector<Fd> hoard;
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        rlimit few = before;
        few.rlim_cur = static_cast<rlim_t>(Fd(::dup(0)).get()) + 32;
        ::setrlimit(RLIMIT_NOFILE, &few);
        for (Fd fd(::dup(0)); fd; fd.reset(::dup(0))) hoard.push_back(std::move(fd));
        hoard.pop_back();
        FrontClient client = front.connect();  // has taken the last one
        client.get("/2");
        while (count(lines, "cannot accept") == 0) std::this_thread::yield();
        warm.get("/3");
        CPPUNIT_ASSERT_EQUAL(200, warm.read().status);
        hoard.clear();
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), count(lines, "cannot accept"));
        ::unlink(name);
    }

    void idleConnectionsAreCheap() { CPPUNIT_ASSERT(sizeof(Connection) < 512); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontLimitsTest);

}  // namespace ociproxy
