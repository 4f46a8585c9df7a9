#include "proxy/exposition.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "support/exposition_reader.h"

namespace ociproxy {

class ExpositionTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ExpositionTest);
    CPPUNIT_TEST(familiesHaveHelpTypeAndSamples);
    CPPUNIT_TEST(labelValuesAreEscaped);
    CPPUNIT_TEST(histogramsAreCumulatedInSeconds);
    CPPUNIT_TEST(anEmptyHistogramIsWhole);
    CPPUNIT_TEST(theReaderIsStrict);
    CPPUNIT_TEST_SUITE_END();

public:
    void familiesHaveHelpTypeAndSamples() {
        Exposition out;
        out.counter("a_total", "Help with \\ and\nline \"end\".");
        out.sample(3);
        out.gauge("b", "B.");
        out.sample(1, {{"x", "y"}, {"z", ""}});
        CPPUNIT_ASSERT_EQUAL(std::string("# HELP a_total Help with \\\\ and\\nline \"end\".\n"
                                         "# TYPE a_total counter\n"
                                         "a_total 3\n"
                                         "# HELP b B.\n"
                                         "# TYPE b gauge\n"
                                         "b{x=\"y\",z=\"\"} 1\n"),
                             std::move(out).text());
    }

    void labelValuesAreEscaped() {
        Exposition out;
        out.gauge("a", "A.");
        out.sample(1, {{"x", "q\" b\\ n\n,}= \xc3\xa4"}});
        const std::string text = std::move(out).text();
        const ExpositionPage page = readExposition(text);
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("a{x=\"q\\\" b\\\\ n\\n,}= \xc3\xa4\"}"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, page.values.size());
    }

    void histogramsAreCumulatedInSeconds() {
        Histogram histogram;
        histogram.buckets[0] = 2;                      // up to 0.5 ms
        histogram.buckets[11] = 3;                     // up to 2.5 s
        histogram.buckets[kHistogramBuckets - 1] = 4;  // above 300 s
        histogram.sumMicros = 1'234'000'050;
        Exposition out;
        out.histogram("a_seconds", "A.");
        out.sample(histogram, {{"x", "y"}});
        const ExpositionPage page = readExposition(std::move(out).text());
        CPPUNIT_ASSERT_EQUAL(2.0, page.at("a_seconds_bucket{x=\"y\",le=\"0.0005\"}"));
        CPPUNIT_ASSERT_EQUAL(2.0, page.at("a_seconds_bucket{x=\"y\",le=\"1\"}"));
        CPPUNIT_ASSERT_EQUAL(5.0, page.at("a_seconds_bucket{x=\"y\",le=\"2.5\"}"));
        CPPUNIT_ASSERT_EQUAL(5.0, page.at("a_seconds_bucket{x=\"y\",le=\"300\"}"));
        CPPUNIT_ASSERT_EQUAL(9.0, page.at("a_seconds_bucket{x=\"y\",le=\"+Inf\"}"));
        CPPUNIT_ASSERT_EQUAL(9.0, page.at("a_seconds_count{x=\"y\"}"));
        CPPUNIT_ASSERT_DOUBLES_EQUAL(1234.00005, page.at("a_seconds_sum{x=\"y\"}"), 1e-9);
        CPPUNIT_ASSERT_EQUAL(kHistogramBuckets + 2, page.values.size());
        CPPUNIT_ASSERT(!page.isCounter("a_seconds_count{x=\"y\"}"));
    }

    void anEmptyHistogramIsWhole() {
        Exposition out;
        out.histogram("a_seconds", "A.");
        out.sample(Histogram{});
        const ExpositionPage page = readExposition(std::move(out).text());
        CPPUNIT_ASSERT_EQUAL(0.0, page.at("a_seconds_bucket{le=\"+Inf\"}"));
        CPPUNIT_ASSERT_EQUAL(0.0, page.at("a_seconds_sum"));
    }

    // The other tests say nothing if it is not.
    void theReaderIsStrict() {
        const std::string head = "# HELP a A.\n# TYPE a gauge\n";
        const std::string histogram = "# HELP h H.\n# TYPE h histogram\n";
        for (const std::string& text :
             {std::string("a 1\n"), std::string("# TYPE a gauge\na 1\n"), head + "a 1",
              head + "b 1\n", head + "a x\n", head + "a 1\na 2\n", head + "a{x=\"\\q\"} 1\n",
              head + "a{x=\"y\"z=\"\"} 1\n", head + "a -1\n", head + "a 1\n" + head,
              std::string("# HELP a_total A.\n# TYPE a_total gauge\n"),
              std::string("# HELP a A.\n# TYPE a counter\n"),
              histogram + "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
              histogram + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
              histogram + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
              histogram + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\n"}) {
            CPPUNIT_ASSERT_THROW_MESSAGE(text, readExposition(text), std::exception);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExpositionTest);

}  // namespace ociproxy
