#include "support/runner.h"

int main(int argc, char** argv) {
    return runAllTests(argc, argv, "integration");
}
