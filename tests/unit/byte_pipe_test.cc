#include "proxy/byte_pipe.h"

#include <atomic>
#include <string>
#include <thread>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

class BytePipeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BytePipeTest);
    CPPUNIT_TEST(bytesComeInOrder);
    CPPUNIT_TEST(writerWaitsWhileThePipeIsFull);
    CPPUNIT_TEST(slowReaderIsGivenUp);
    CPPUNIT_TEST(readerAtTheMinimumIsKept);
    CPPUNIT_TEST(endsAreFinal);
    CPPUNIT_TEST(everyWriteWakes);
    CPPUNIT_TEST_SUITE_END();

public:
    void bytesComeInOrder() {
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(PipePace{});
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        CPPUNIT_ASSERT(reader->look().ready.empty());
        CPPUNIT_ASSERT(pipe->write("abc") && pipe->write("") && pipe->write("def"));
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), std::string(reader->look().ready));
        reader->consume(1);
        CPPUNIT_ASSERT_EQUAL(std::string("bc"), std::string(reader->look().ready));
        reader->consume(2);
        CPPUNIT_ASSERT_EQUAL(std::string("def"), std::string(reader->look().ready));
    }

    void writerWaitsWhileThePipeIsFull() {
        PipePace pace;
        pace.capacity = 4;
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(pace);
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        CPPUNIT_ASSERT(pipe->write("1234"));
        std::atomic<bool> written{false};
        std::thread writer([&] {
            CPPUNIT_ASSERT(pipe->write("5"));
            written = true;
        });
        reader->consume(3);
        CPPUNIT_ASSERT_EQUAL(std::string("4"), std::string(reader->look().ready));
        reader->consume(1);
        writer.join();
        CPPUNIT_ASSERT(written);
        CPPUNIT_ASSERT_EQUAL(std::string("5"), std::string(reader->look().ready));
    }

    void slowReaderIsGivenUp() {
        PipePace pace;
        pace.capacity = 1;
        pace.window = Millis(20);
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(pace);
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        CPPUNIT_ASSERT(pipe->write("1"));
        CPPUNIT_ASSERT(!pipe->write("2"));
        CPPUNIT_ASSERT(pipe->tooSlow() && pipe->abandoned());
    }

    void readerAtTheMinimumIsKept() {
        PipePace pace;
        pace.capacity = 1;
        pace.window = Millis(20);
        pace.minRate = 0;
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(pace);
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        CPPUNIT_ASSERT(pipe->write("1"));
        std::thread late([&] {
            std::this_thread::sleep_for(Millis(100));  // several windows
            reader->consume(1);
        });
        CPPUNIT_ASSERT(pipe->write("2"));
        late.join();
        CPPUNIT_ASSERT(!pipe->tooSlow());
    }

    void endsAreFinal() {
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(PipePace{});
        std::shared_ptr<StreamSource> reader = pipe->reader();
        pipe->complete();
        pipe->breakOff();
        CPPUNIT_ASSERT(reader->look().state == StreamSource::State::kComplete);
        CPPUNIT_ASSERT(!pipe->write("x"));
        CPPUNIT_ASSERT(!pipe->abandoned());
        reader.reset();
        CPPUNIT_ASSERT(pipe->abandoned() && !pipe->tooSlow());
    }

    void everyWriteWakes() {
        const std::shared_ptr<BytePipe> pipe = std::make_shared<BytePipe>(PipePace{});
        const std::shared_ptr<StreamSource> reader = pipe->reader();
        int wakes = 0;
        reader->setWake([&] { ++wakes; });
        CPPUNIT_ASSERT(pipe->write("a") && pipe->write("b"));
        pipe->breakOff();
        CPPUNIT_ASSERT_EQUAL(3, wakes);
        reader->setWake({});
        pipe->breakOff();
        CPPUNIT_ASSERT_EQUAL(3, wakes);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BytePipeTest);

}  // namespace ociproxy
