#!/bin/bash
# Which module may include which, and which names belong to one module alone.  The two tables
# below are the rule.  A quoted include names a public header as "ociproxy/MODULE/x.h", or a
# private one of the same module as "MODULE/x.h" or "x.h".
set -eu -o pipefail
cd "$(dirname -- "$0")/../.."

# MODULE: MAY INCLUDE...  (a name with a slash allows that one header)
may_include='
base:
conf:     base registry
registry: base
shm:      base
store:    base registry
upstream: base registry shm
front:    base shm/counters.h
proxy:    base registry shm store upstream front
proc:     base conf registry shm store upstream front proxy
main:     proc conf
'

# REGULAR EXPRESSION  MODULE...  (found outside of these modules it is an error; "src/M" means
# not in the public headers of M either)
only_in='
#include[<"]Poco/Net/                               upstream src/front
#include[<"]Poco/Util/                              conf proc main
#include[<"](openssl/|Poco/Crypto/)                 base upstream src/front
#include[<"]boost/                                  src/shm
SYS_futex|__NR_futex|FUTEX_[A-Z]|linux/futex[.]h    src/shm
(^|[^A-Za-z0-9_.>])(v?fork|wait(pid|id|3|4))[(]     proc
(^|[^A-Za-z0-9_.>])(quick_)?_?_?[eE]xit[(]          main src/proc
'

directories=
for directory in src include; do
    [ ! -d $directory ] || directories="$directories $directory"
done
# shellcheck disable=SC2086
mapfile -t files < <([ -z "$directories" ] ||
    find $directories -name '*.cc' -o -name '*.h' -o -name '*.inc' | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "there are no sources yet"
    exit 77
fi

awk -f tests/lint/strip.awk "${files[@]}" |
awk -v may_include="$may_include" -v only_in="$only_in" '
function complain(text) {
    print file ":" line ": " text
    failed = 1
}

function check_include(name,    parts, count, target) {
    if (name == "ociproxy/version.h") return
    if (name ~ /(^|\/)[.][.]?\//) {
        complain("relative include of " name)
        return
    }
    count = split(name, parts, "/")
    if (parts[1] == "ociproxy") {
        target = parts[2]
        if (!(target in known)) complain("no module has " name)
        else if (target != module && !((module, target) in allowed) &&
                 !((module, target "/" parts[3]) in allowed))
            complain(module " may not include " name)
        return
    }
    if (count == 1 ? where != "src" : parts[1] != module && (parts[1] in known))
        complain(name " is private to " (count == 1 ? "its directory" : parts[1]))
    else if (count > 1 && where == "include" && (parts[1] in known))
        complain("a public header may not include the private " name)
}

BEGIN {
    count = split(may_include, rows, "\n")
    for (i = 1; i <= count; i++) {
        if (split(rows[i], words, " ") == 0) continue
        sub(/:$/, "", words[1])
        known[words[1]] = 1
        for (j = 2; j in words; j++) allowed[words[1], words[j]] = 1
    }
    count = split(only_in, rows, "\n")
    for (i = 1; i <= count; i++) {
        if ((n = split(rows[i], words, " ")) < 2) continue
        pattern[++patterns] = words[1]
        for (j = 2; j <= n; j++) {
            owner[patterns, words[j]] = 1
            owners[patterns] = owners[patterns] " " words[j]
        }
    }
}

{
    split($0, head, ":")
    file = head[1]
    line = head[2]
    text = substr($0, length(file) + length(line) + 3)
    count = split(file, parts, "/")
    where = parts[1]
    module = where == "src" ? parts[2] : parts[3]
    if (file == "src/main.cc") module = "main"
    if (file == "include/ociproxy/version.h") next
    if (!(module in known)) {
        if (!(module in reported)) complain("the table has no module " module)
        reported[module] = 1
        next
    }

    if (text ~ /^[ \t]*#[ \t]*include/) {
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "#include", text)
        if (match(text, /"[^"]+"/)) check_include(substr(text, RSTART + 1, RLENGTH - 2))
        else if (match(text, /<ociproxy\/[^>]+>/)) check_include(substr(text, RSTART + 1, RLENGTH - 2))
    }
    for (i = 1; i <= patterns; i++) {
        if (text !~ pattern[i]) continue
        if ((i, module) in owner || ((i, where "/" module) in owner)) continue
        match(text, pattern[i])
        complain(substr(text, RSTART, RLENGTH) " belongs to" owners[i] ", not to " module)
    }
}

END { exit failed }'
