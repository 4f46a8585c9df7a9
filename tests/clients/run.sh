#!/bin/bash
# usage: OCIPROXY_BIN=... run.sh [WORD...]
# Runs the tests with real clients, tests/clients/[0-9]*.sh, in the order of their names; with
# words only those whose names hold one of them.  What a script may do: support/run-scripts.sh.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
[ -x "${OCIPROXY_BIN:-}" ] || { echo "run.sh: OCIPROXY_BIN does not name the program" >&2; exit 2; }

scripts=()
for script in "$here"/[0-9]*.sh; do
    wanted=$([ $# -eq 0 ] && echo yes)
    for word; do
        case ${script##*/} in *"$word"*) wanted=yes ;; esac
    done
    [ -z "$wanted" ] || scripts+=("$script")
done

exec "$here/../support/run-scripts.sh" clients "${scripts[@]}"
