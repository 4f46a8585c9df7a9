#!/bin/bash
# usage: coverage.sh BUILD-DIRECTORY
# Replays the corpora and prints how many lines of each parser they reach.  Fails when it is
# less than $least per cent of any of these files.
set -eu -o pipefail

least=95
parsers='
src/conf/params.cc
src/conf/parser.cc
src/conf/*value*.cc
src/front/chunked_decoder.cc
src/front/forwarded.cc
src/front/proxy_header.cc
src/front/request_checks.cc
src/front/request_parser.cc
src/front/request_target.cc
src/registry/accept.cc
src/registry/json_limits.cc
src/registry/manifest_nature.cc
src/registry/range.cc
src/registry/route.cc
src/registry/route_operation.cc
src/store/record.cc
src/upstream/body_reader.cc
src/upstream/challenge.cc
src/upstream/strict_response.cc
src/upstream/token_grant.cc
src/upstream/url.cc
'

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
build=$(CDPATH='' cd -- "$1" && pwd -P)
cd "$root"
# shellcheck disable=SC2086
parsers=$(printf '%s\n' $parsers)
cd "$build"
rm -f replay.profraw
OCIPROXY_SRCDIR=$root LLVM_PROFILE_FILE=$PWD/replay.profraw ./fuzz_replay | tail -n 1
llvm-profdata merge -o replay.profdata replay.profraw
llvm-cov export -instr-profile=replay.profdata ./fuzz_replay |
    python3 -c '
import json, os, sys

least, root, wanted = float(sys.argv[1]), sys.argv[2], sys.argv[3].split()
data = json.load(sys.stdin)["data"][0]

def name_of(path):
    return os.path.relpath(os.path.realpath(path), root)

# The compiler runs these, so that no line of theirs is reached later.
unreachable = {}
for function in data["functions"]:
    name, region = name_of(function["filenames"][0]), function["regions"][0]
    if function["count"] > 0 or name not in wanted:
        continue
    with open(os.path.join(root, name)) as source:
        if source.readlines()[region[0] - 1].startswith("constexpr "):
            unreachable[name] = unreachable.get(name, 0) + region[2] - region[0] + 1

failed = False
files = {name_of(f["filename"]): f["summary"]["lines"] for f in data["files"]}
for name in wanted:
    lines = files.get(name, {"covered": 0, "count": 0})
    count = lines["count"] - unreachable.get(name, 0)
    percent = 100.0 * lines["covered"] / count if count > 0 else 0.0
    low = percent < least
    failed = failed or low
    print("%-7s %6.2f %%  %4d of %4d  %s" % ("TOO FEW" if low else "ok", percent,
          lines["covered"], count, name))
sys.exit(failed)
' $least "$root" "$parsers"
