#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/front/message.h"

namespace ociproxy {

class HeadersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(HeadersTest);
    CPPUNIT_TEST(keepsOrderAndCase);
    CPPUNIT_TEST(findsWithoutCase);
    CPPUNIT_TEST(setReplacesEveryOne);
    CPPUNIT_TEST(setTakesAPartOfItself);
    CPPUNIT_TEST(removesEveryOne);
    CPPUNIT_TEST(joinsValues);
    CPPUNIT_TEST_SUITE_END();

public:
    void keepsOrderAndCase() {
        Headers headers;
        headers.add("B", "1");
        headers.add("a", "2");
        headers.add("B", "3");
        std::string text;
        for (const HeaderField& field : headers.fields()) text += field.name + field.value + ' ';
        CPPUNIT_ASSERT_EQUAL(std::string("B1 a2 B3 "), text);
    }

    void findsWithoutCase() {
        Headers headers;
        headers.add("Content-Type", "x");
        headers.add("content-type", "y");
        CPPUNIT_ASSERT(headers.find("CONTENT-TYPE"));
        CPPUNIT_ASSERT_EQUAL(std::string("x"), *headers.find("CONTENT-TYPE"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), headers.count("Content-type"));
        CPPUNIT_ASSERT(!headers.has("Content-Typ"));
        CPPUNIT_ASSERT(!headers.find(""));
    }

    void setReplacesEveryOne() {
        Headers headers;
        headers.add("A", "1");
        headers.add("X", "1");
        headers.add("a", "2");
        headers.set("a", "3");
        headers.set("Y", "4");
        CPPUNIT_ASSERT_EQUAL(std::size_t(3), headers.fields().size());
        CPPUNIT_ASSERT_EQUAL(std::string("3"), headers.fields()[0].value);
        CPPUNIT_ASSERT_EQUAL(std::string("4"), *headers.find("y"));
    }

    void setTakesAPartOfItself() {
        Headers headers;
        headers.add("A", "first value that is long enough to live on the heap");
        headers.add("A", "second value that is long enough to live on the heap");
        headers.set("A", headers.fields()[1].value);
        CPPUNIT_ASSERT_EQUAL(std::string("second value that is long enough to live on the heap"),
                             *headers.find("A"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), headers.count("A"));
    }

    void removesEveryOne() {
        Headers headers;
        headers.add("A", "1");
        headers.add("B", "2");
        headers.add("a", "3");
        headers.remove("A");
        headers.remove("C");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), headers.fields().size());
        CPPUNIT_ASSERT(headers.has("b"));
    }

    void joinsValues() {
        Headers headers;
        CPPUNIT_ASSERT_EQUAL(std::string(), headers.joined("A"));
        headers.add("A", "1");
        headers.add("a", "");
        headers.add("A", "2, 3");
        CPPUNIT_ASSERT_EQUAL(std::string("1, , 2, 3"), headers.joined("A"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HeadersTest);

}  // namespace ociproxy
