#include "integration/stopped_fill_test.h"

#include "integration/proc_view.h"

namespace ociproxy::itest {

void StoppedFillTest::prepare(const Stop& stop) {
    bytes_ = randomBytes(stop.size);
    digest_ = up().addBlob("a", bytes_);
    target_ = blob("a", digest_);
    gate_ = std::make_shared<Gate>();
    Behaviour behaviour;
    behaviour.inBody = gate_;
    behaviour.gateAt = stop.at;
    behaviour.times = stop.times;
    behaviour.flipAt = stop.flipAt;
    up().behave(blobPath("a", digest_), behaviour);
}

void StoppedFillTest::awaitRequests(std::size_t count) {
    gate_->awaitArrivals(1);
    await(cat(count, " requests are read"),
          [&] { return connectionsRead(proxy().port()) >= count; });
}

Response StoppedFillTest::startFollowing(TestClient* client, std::uint64_t bytes) {
    client->send("GET", target_);
    Response response = client->readHead();
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.status == 200);
    client->readBody(&response, bytes);
    return response;
}

void StoppedFillTest::assertPart(const Response& response, std::uint64_t first,
                                 std::uint64_t last) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 206);
    CPPUNIT_ASSERT_EQUAL(cat("bytes ", first, "-", last, "/", bytes_.size()),
                         response.header("Content-Range"));
    CPPUNIT_ASSERT(response.body == bytes_.substr(first, last - first + 1));
}

}  // namespace ociproxy::itest
