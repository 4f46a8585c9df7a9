// Connections to upstreams between two requests (src/upstream/idle_connections.h).
#include "upstream/idle_connections.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/address.h"
#include "support/scripted_server.h"
#include "upstream/hop_connection.h"

namespace ociproxy {
namespace {

using ConnectionPtr = std::unique_ptr<HopConnection>;

class IdleConnectionsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(IdleConnectionsTest);
    CPPUNIT_TEST(emptyHasNone);
    CPPUNIT_TEST(theOneUsedLastComesFirst);
    CPPUNIT_TEST(keysAreApart);
    CPPUNIT_TEST(theOldestOfTooManyOfOneKeyIsClosed);
    CPPUNIT_TEST(theOldestOfTooManyInAllIsClosed);
    CPPUNIT_TEST(whatTheServerHasClosedIsNotKept);
    CPPUNIT_TEST(whatTheServerClosesMeanwhileIsPassedOver);
    CPPUNIT_TEST(whatBringsBytesUnaskedIsPassedOver);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        idle_ = std::make_unique<IdleConnections>(2);
        server_ = std::make_unique<ScriptedServer>([](ScriptedPeer& peer) {
            ScriptedRequest request;
            while (peer.readRequest(&request)) {
                if (request.target == "/close") return;
                peer.send("unasked");
            }
        });
    }
    void tearDown() override {
        idle_.reset();
        server_.reset();
    }

    void emptyHasNone() { CPPUNIT_ASSERT(!idle_->take("a")); }

    void theOneUsedLastComesFirst() {
        const HopConnection* first = put("a");
        const HopConnection* second = put("a");
        CPPUNIT_ASSERT(idle_->take("a").get() == second);
        CPPUNIT_ASSERT(idle_->take("a").get() == first);
        CPPUNIT_ASSERT(!idle_->take("a"));
    }

    void keysAreApart() {
        const HopConnection* ofA = put("a");
        const HopConnection* ofB = put("b");
        CPPUNIT_ASSERT(!idle_->take("c"));
        CPPUNIT_ASSERT(idle_->take("a").get() == ofA);
        CPPUNIT_ASSERT(idle_->take("b").get() == ofB);
    }

    void theOldestOfTooManyOfOneKeyIsClosed() {
        put("a");
        const HopConnection* other = put("b");
        const HopConnection* second = put("a");
        const HopConnection* third = put("a");
        CPPUNIT_ASSERT(idle_->take("a").get() == third);
        CPPUNIT_ASSERT(idle_->take("a").get() == second);
        CPPUNIT_ASSERT(!idle_->take("a"));
        CPPUNIT_ASSERT(idle_->take("b").get() == other);
    }

    void theOldestOfTooManyInAllIsClosed() {
        std::vector<ConnectionPtr> all(129);  // made first: they must not grow old meanwhile
        for (ConnectionPtr& connection : all) connection = connect();
        for (std::size_t i = 0; i < all.size(); ++i) {
            idle_->put(std::to_string(i), std::move(all[i]));
        }
        CPPUNIT_ASSERT(!idle_->take("0"));
        CPPUNIT_ASSERT(idle_->take("1"));
        CPPUNIT_ASSERT(idle_->take("128"));
    }

    void whatTheServerHasClosedIsNotKept() {
        ConnectionPtr connection = connect();
        disturb(*connection, "/close");
        idle_->put("a", std::move(connection));
        CPPUNIT_ASSERT(!idle_->take("a"));
    }

    void whatTheServerClosesMeanwhileIsPassedOver() { expectPassedOver("/close"); }
    void whatBringsBytesUnaskedIsPassedOver() { expectPassedOver("/speak"); }

private:
    ConnectionPtr connect() {
        return std::make_unique<HopConnection>(HopSocket::connect(
            *IpAddress::parse("127.0.0.1"), server_->port(), now() + Millis{20'000}));
    }
    HopConnection* put(const std::string& key) {
        ConnectionPtr connection = connect();
        HopConnection* const seen = connection.get();
        idle_->put(key, std::move(connection));
        return seen;
    }
    // Makes the server close the connection, or speak on it.
    static void disturb(HopConnection& connection, const std::string& target) {
        connection.writeAll("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
        while (connection.quiet()) std::this_thread::yield();
    }
    void expectPassedOver(const std::string& target) {
        const HopConnection* older = put("a");
        disturb(*put("a"), target);
        CPPUNIT_ASSERT(idle_->take("a").get() == older);
        CPPUNIT_ASSERT(!idle_->take("a"));
    }

    std::unique_ptr<ScriptedServer> server_;
    std::unique_ptr<IdleConnections> idle_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(IdleConnectionsTest);

}  // namespace
}  // namespace ociproxy
