#!/bin/bash
# Limits of the product's sources: length of files and lines, and no marks of unfinished work.
set -u
cd "$(dirname -- "$0")/../.." || exit 1

max_lines=500
max_columns=100
# In two halves each, or this file would be a finding of its own kind.
marks='TO''DO|FIX''ME|XX''X'

mapfile -t files < <(find src include -type f 2>/dev/null | sort)
if [ ${#files[@]} -eq 0 ]; then
    echo "there are no sources yet"
    exit 77
fi

failed=0
for file in "${files[@]}"; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt $max_lines ]; then
        echo "$file: $lines lines, more than $max_lines"
        failed=1
    fi
done
# Characters, not bytes.
if LC_ALL=C.UTF-8 grep -nE "^.{$((max_columns + 1)),}" "${files[@]}" /dev/null; then
    echo "lines over $max_columns columns"
    failed=1
fi
if grep -nwE "$marks" "${files[@]}" /dev/null; then
    echo "marks of unfinished work"
    failed=1
fi
exit $failed
