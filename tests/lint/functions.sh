#!/bin/bash
# No function of the product is longer than 70 lines.
set -u
cd "$(dirname -- "$0")/../.." || exit 1

if ! ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    echo "universal-ctags is not installed"
    exit 77
fi

find src include \( -name '*.cc' -o -name '*.h' \) 2>/dev/null | sort |
ctags -L - -f - --languages=C++ --kinds-C++=f --fields=+ne |
awk -F '\t' -v max=70 '
{
    first = last = 0
    for (i = 4; i <= NF; i++) {
        if ($i ~ /^line:/) first = substr($i, 6)
        if ($i ~ /^end:/) last = substr($i, 5)
    }
    if (last - first + 1 > max) {
        print $2 ":" first ": " $1 "() has " last - first + 1 " lines, more than " max
        failed = 1
    }
}
END { exit failed }'
