// The corpora alone, for measuring what they cover.
#include "support/runner.h"

int main(int argc, char** argv) {
    return runAllTests(argc, argv, "replay");
}
