#!/bin/bash
# One name, one type: two types of one name in the same namespace, each in a header of its
# own, break the one-definition rule as soon as both are linked, and nothing warns.
set -eu -o pipefail
cd "$(dirname -- "$0")/../.."

# Types that a header defines at the outermost level, as "NAME FILE". What the tests have in
# another namespace is told by its directory.
definitions() {
    local headers
    mapfile -t headers < <(find include src "$@" -name '*.h' | sort)
    awk '
        !/;$/ && /^(class|struct|union|enum( class| struct)?) [A-Za-z_][A-Za-z0-9_]*( final)?( :.*)?( *[{].*)?$/ {
            name = $0
            sub(/^(class|struct|union|enum( class| struct)?) /, "", name)
            sub(/[^A-Za-z0-9_].*/, "", name)
            print name, FILENAME
        }' "${headers[@]}"
}

status=0
while read -r name; do
    echo "more than one type is called $name:"
    definitions tests/support | awk -v name="$name" '$1 == name { print "    " $2 }'
    status=1
done < <(definitions tests/support | awk '{ print $1 }' | sort | uniq -d)
exit $status
