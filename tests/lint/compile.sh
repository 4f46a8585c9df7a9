#!/bin/bash
# Every source compiles without a warning.  "make lint" has just tried, and names in $uncompiled
# the stamps of those that did not; the compiler's messages stand further up in its output.
set -u
if [ -z "${uncompiled+set}" ]; then
    echo "only as a part of make lint"
    exit 77
fi
[ -n "$uncompiled" ] || exit 0
echo "with warnings or errors (see above):"
for stamp in $uncompiled; do
    stamp=${stamp#obj/lint/}
    echo "  ${stamp%.ok}.cc"
done
exit 1
