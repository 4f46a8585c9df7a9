// Who owns a connection between a sender and the reactor (src/front/reactor.h).
#include "front/reactor.h"

#include <future>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "front/connection.h"
#include "front/context.h"
#include "front/exchange.h"
#include "front/request_parser.h"
#include "front/transfer.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

// Holds whoever asks it for an error reply until the test lets go.
class HoldingApplication : public ScriptedApplication {
public:
    Reply errorReply(int status, std::string_view message) noexcept override {
        held.set_value();
        go.get_future().wait();
        return ScriptedApplication::errorReply(status, message);
    }
    std::promise<void> held;
    std::promise<void> go;
};

// A reactor without handlers and senders: the test is both.
class ReactorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ReactorTest);
    CPPUNIT_TEST(idleOnItsWayBackIsNotActedOn);
    CPPUNIT_TEST(lingeringOnItsWayBackIsNotActedOn);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        application_ = std::make_unique<HoldingApplication>();
        context_ = std::make_unique<Context>(FrontServer::Options(), application_.get());
        reactor_ = std::make_unique<Reactor>(context_.get());
        thread_ = std::thread([this] { reactor_->run(); });
    }
    void tearDown() override {
        reactor_->requestStop();
        thread_.join();
        reactor_->closeAll();
        reactor_.reset();
        context_.reset();
        application_.reset();
    }

    void idleOnItsWayBackIsNotActedOn() { hangUpOnTheWayBack(ConnectionState::kIdle); }
    void lingeringOnItsWayBackIsNotActedOn() { hangUpOnTheWayBack(ConnectionState::kLingering); }

private:
    using Shared = std::shared_ptr<Connection>;

    // `input`: what the client has said already.
    Shared connect(Fd* client, const std::string& input = {}) {
        int pair[2];
        CPPUNIT_ASSERT_EQUAL(
            0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
        *client = Fd(pair[0]);
        const Shared connection =
            std::make_shared<Connection>(context_->nextId.fetch_add(1), Fd(pair[1]), Peer{});
        connection->input = input;
        context_->connections.fetch_add(1);
        CPPUNIT_ASSERT(context_->inbox.give(connection, ConnectionState::kIdle));
        return connection;
    }

    static void send(const Fd& client, const std::string& text) {
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()),
                             ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL));
    }

    // A connection whose request was read; the caller is the handler that has it.
    Shared request(Fd* client) {
        const Shared connection = connect(client);
        send(*client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT(context_->handlers->pop() == connection);
        connection->enter(ConnectionState::kSending);
        connection->pending.reset();
        return connection;
    }

    static void awaitState(const Shared& connection, ConnectionState state) {
        while (connection->state() != state) std::this_thread::yield();
    }

    // The reactor is held up with what it took from its inbox while the client hangs up
    // and a sender gives the connection back: it learns of both, of the event first.
    void hangUpOnTheWayBack(ConnectionState state) {
        Fd client;
        const Shared connection = request(&client);
        CPPUNIT_ASSERT(context_->inbox.give(connection, ConnectionState::kParking));
        awaitState(connection, ConnectionState::kParked);  // and watched for a hang-up
        CPPUNIT_ASSERT(connection->claimParked());

        Fd bad;
        connect(&bad, "no request\r\n\r\n");
        application_->held.get_future().wait();
        client.reset();
        CPPUNIT_ASSERT(context_->inbox.give(connection, state));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, context_->connections.load());
        application_->go.set_value();

        awaitState(connection, ConnectionState::kClosed);
        Fd next;
        request(&next);  // the inbox is empty by then
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, context_->connections.load());
    }

    std::unique_ptr<HoldingApplication> application_;
    std::unique_ptr<Context> context_;
    std::unique_ptr<Reactor> reactor_;
    std::thread thread_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReactorTest);

}  // namespace
}  // namespace ociproxy
