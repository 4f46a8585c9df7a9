#!/bin/bash
# Every parameter of the table in src/conf/params.inc stands in the sample configuration,
# as a setting or as a commented one.
set -u
cd "$(dirname -- "$0")/../.." || exit 1

table=src/conf/params.inc
sample=etc/ociproxy.conf.in
[ -f $sample ] || sample=etc/ociproxy.conf
for file in $table $sample; do
    if [ ! -f "$file" ]; then
        echo "there is no $file yet"
        exit 77
    fi
done

names=$(sed -n 's/^ *PARAM( *k[A-Za-z]*, *\([a-z0-9_]\{1,\}\) *,.*/\1/p' $table)
if [ -z "$names" ]; then
    echo "$table: no line of the form PARAM(kScope, name, ..."
    exit 1
fi
failed=0
for name in $names; do
    if ! grep -qE "^[[:space:]]*#?[[:space:]]*${name}[[:space:]]*=" $sample; then
        echo "$sample: the parameter $name is missing"
        failed=1
    fi
done
exit $failed
