# Prints C++ source as FILE:LINE:TEXT without comments and without the contents of string and
# character literals, so that a search finds code only.  Lines with #include keep their names.

function emit(text) {
    if (text !~ /^[ \t]*$/) print FILENAME ":" FNR ":" text
}

FNR == 1 { in_comment = 0; raw_end = "" }

{
    rest = $0
    out = ""
    if (!in_comment && raw_end == "" && rest ~ /^[ \t]*#[ \t]*include/) {
        sub(/[ \t]*\/[\/*].*$/, "", rest)
        emit(rest)
        next
    }
    while (rest != "") {
        if (in_comment) {
            at = index(rest, "*/")
            if (at == 0) break
            rest = substr(rest, at + 2)
            in_comment = 0
            out = out " "
            continue
        }
        if (raw_end != "") {
            at = index(rest, raw_end)
            if (at == 0) break
            rest = substr(rest, at + length(raw_end))
            raw_end = ""
            out = out "\""
            continue
        }
        if (!match(rest, /["'\/]/)) {
            out = out rest
            break
        }
        out = out substr(rest, 1, RSTART - 1)
        mark = substr(rest, RSTART, 1)
        rest = substr(rest, RSTART)
        if (mark == "/") {
            if (substr(rest, 2, 1) == "/") break
            if (substr(rest, 2, 1) == "*") {
                in_comment = 1
                rest = substr(rest, 3)
            } else {
                out = out "/"
                rest = substr(rest, 2)
            }
        } else if (mark == "\"" && out ~ /(^|[^A-Za-z0-9_])(u8|[uUL])?R$/) {
            at = index(rest, "(")
            raw_end = ")" substr(rest, 2, at - 2) "\""
            rest = substr(rest, at + 1)
            out = out "\""
        } else if (mark == "'" && out ~ /[0-9a-fA-F]$/ && rest ~ /^'[0-9a-fA-F]/) {
            rest = substr(rest, 2)  # 1'000'000
        } else {
            i = 2
            while (i <= length(rest) && substr(rest, i, 1) != mark) {
                if (substr(rest, i, 1) == "\\") i++
                i++
            }
            out = out mark mark
            rest = substr(rest, i + 1)
        }
    }
    emit(out)
}
