#!/bin/bash
# All shell scripts of the tree are free of findings by shellcheck.
# needs: shellcheck
set -u
cd "$(dirname -- "$0")/../.." || exit 1

mapfile -t scripts < <(
    for file in configure .ci/run; do [ ! -f $file ] || echo $file; done
    find contrib tests -name '*.sh' | sort
)
shellcheck -x "${scripts[@]}"
