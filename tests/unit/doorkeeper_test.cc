#include "front/doorkeeper.h"

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {
namespace {

using Answer = Doorkeeper::Answer;

Doorkeeper::Limits limits(std::size_t connections, std::size_t ofClient, std::size_t turnedAway) {
    Doorkeeper::Limits out;
    out.connections = connections;
    out.ofClient = ofClient;
    out.turnedAway = turnedAway;
    return out;
}

}  // namespace

class DoorkeeperTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(DoorkeeperTest);
    CPPUNIT_TEST(allAreCounted);
    CPPUNIT_TEST(clientsAreCounted);
    CPPUNIT_TEST(networksAreClients);
    CPPUNIT_TEST(noLimitForClients);
    CPPUNIT_TEST(placesMove);
    CPPUNIT_TEST(thoseTurnedAwayAreNotAdmitted);
    CPPUNIT_TEST(roomIsWaitedFor);
    CPPUNIT_TEST(manyThreads);
    CPPUNIT_TEST_SUITE_END();

    static Answer enter(Doorkeeper* door, Place* place, const char* client) {
        if (door->admit(place) != Answer::kWelcome) return Answer::kTooMany;
        return door->admitClient(place, IpAddress::parse(client).value());
    }

public:
    void allAreCounted() {
        Doorkeeper door(limits(2, 0, 0));
        Place one;
        Place two;
        Place three;
        CPPUNIT_ASSERT(door.admit(&one) == Answer::kWelcome);
        CPPUNIT_ASSERT(door.admit(&two) == Answer::kWelcome);
        CPPUNIT_ASSERT(door.admit(&three) == Answer::kTooMany);
        one.leave();
        one.leave();  // to no effect
        CPPUNIT_ASSERT(door.admit(&three) == Answer::kWelcome);
        CPPUNIT_ASSERT(door.admit(&one) == Answer::kTooMany);
    }

    void clientsAreCounted() {
        Doorkeeper door(limits(100, 2, 0));
        std::vector<Place> places(6);
        CPPUNIT_ASSERT(enter(&door, &places[0], "192.0.2.1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[1], "192.0.2.1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[2], "192.0.2.1") == Answer::kTooManyOfClient);
        CPPUNIT_ASSERT(enter(&door, &places[3], "192.0.2.2") == Answer::kWelcome);
        places[2].leave();  // was never of that client
        CPPUNIT_ASSERT(enter(&door, &places[4], "192.0.2.1") == Answer::kTooManyOfClient);
        places[0].leave();
        CPPUNIT_ASSERT(enter(&door, &places[5], "192.0.2.1") == Answer::kWelcome);
    }

    void networksAreClients() {
        Doorkeeper door(limits(100, 1, 0));
        std::vector<Place> places(7);
        CPPUNIT_ASSERT(enter(&door, &places[0], "2001:db8:1:2::1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[1], "2001:db8:1:2:ffff::2") ==
                       Answer::kTooManyOfClient);
        CPPUNIT_ASSERT(enter(&door, &places[2], "2001:db8:1:3::1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[3], "0.0.0.1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[4], "::1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[5], "192.0.2.1") == Answer::kWelcome);
        CPPUNIT_ASSERT(enter(&door, &places[6], "::ffff:192.0.2.1") == Answer::kTooManyOfClient);
    }

    void noLimitForClients() {
        Doorkeeper door(limits(100, 0, 0));
        std::vector<Place> places(100);
        for (Place& place : places) {
            CPPUNIT_ASSERT(enter(&door, &place, "192.0.2.1") == Answer::kWelcome);
        }
    }

    void placesMove() {
        Doorkeeper door(limits(1, 1, 0));
        Place kept;
        {
            Place first;
            CPPUNIT_ASSERT(enter(&door, &first, "192.0.2.1") == Answer::kWelcome);
            kept = std::move(first);
        }
        Place other;
        CPPUNIT_ASSERT(door.admit(&other) == Answer::kTooMany);
        kept = Place();
        CPPUNIT_ASSERT(enter(&door, &other, "192.0.2.1") == Answer::kWelcome);
    }

    void thoseTurnedAwayAreNotAdmitted() {
        Doorkeeper door(limits(1, 1, 1));
        Place away;
        CPPUNIT_ASSERT(enter(&door, &away, "192.0.2.1") == Answer::kWelcome);
        CPPUNIT_ASSERT(door.turnAway(&away));
        Place next;
        CPPUNIT_ASSERT(enter(&door, &next, "192.0.2.1") == Answer::kWelcome);
        Place second;
        CPPUNIT_ASSERT(!door.turnAway(&second));
        CPPUNIT_ASSERT(!door.turnAway(&next));  // but it is no longer admitted
        CPPUNIT_ASSERT(door.admit(&second) == Answer::kWelcome);
        away.leave();
        CPPUNIT_ASSERT(door.turnAway(&next));
    }

    void roomIsWaitedFor() {
        Doorkeeper door(limits(1, 0, 1));
        CPPUNIT_ASSERT(door.awaitRoom(Millis{0}));
        Place one;
        Place two;
        door.admit(&one);
        CPPUNIT_ASSERT(door.awaitRoom(Millis{0}));  // one can be turned away
        CPPUNIT_ASSERT(door.turnAway(&two));
        CPPUNIT_ASSERT(!door.awaitRoom(Millis{0}));
        std::thread leaver([&] { one.leave(); });
        CPPUNIT_ASSERT(door.awaitRoom(Millis{600'000}));
        leaver.join();
    }

    void manyThreads() {
        Doorkeeper door(limits(7, 3, 2));
        std::atomic<int> inside{0};
        std::atomic<int> most{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&, i] {
                for (int round = 0; round < 2000; ++round) {
                    Place place;
                    if (enter(&door, &place, i % 2 ? "192.0.2.1" : "::1") != Answer::kWelcome) {
                        door.turnAway(&place);
                        continue;
                    }
                    const int now = ++inside;
                    int seen = most.load();
                    while (seen < now && !most.compare_exchange_weak(seen, now)) {
                    }
                    --inside;
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        CPPUNIT_ASSERT(most.load() <= 6);
        std::vector<Place> places(7);
        for (Place& place : places) CPPUNIT_ASSERT(door.admit(&place) == Answer::kWelcome);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DoorkeeperTest);

}  // namespace ociproxy
