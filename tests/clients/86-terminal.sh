#!/bin/bash
# A proxy in the foreground of a terminal stops when the terminal hangs up; the same signal
# from anybody else is a reload.
# needs: python3 docker-registry curl pgrep
set -euo pipefail
# shellcheck source=tests/clients/lib.sh
. "$(dirname -- "$0")/lib.sh"

prepare
start_registry
cat >"$work/ociproxy.conf" <<END
listen = 127.0.0.1:0
cache_dir = $work/cache
workers = 2
log = $work/proxy.log
access_log = off
$(user_line)
END
: >"$work/proxy.log"

# In a session of its own, whose terminal is ours to hang up when told.
python3 - "$OCIPROXY_BIN" -c "$work/ociproxy.conf" >"$work/terminal" 2>&1 <<'END' &
import os, pty, sys

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
print(pid, flush=True)
sys.stdout.flush()
fifo = os.path.join(os.path.dirname(sys.argv[3]), "hang-up")
os.mkfifo(fifo)
open(fifo).close()  # returns when somebody opens it for writing
os.close(terminal)
_, status = os.waitpid(pid, 0)
print("status", os.waitstatus_to_exitcode(status), flush=True)
END
terminal_pid=$!
wait_until 20 grep -q ' ready: ' "$work/proxy.log" || fail "the proxy does not start"
master=$(head -n 1 "$work/terminal")
mapfile -t children < <(pgrep -P "$master")

kill -HUP "$master"
wait_until 20 grep -q 'reloaded: ' "$work/proxy.log" || fail "a HUP from us was no reload"
: >"$work/hang-up"
wait "$terminal_pid"
expect_equal "how the proxy ended" "status 0" "$(tail -n 1 "$work/terminal")"
grep -q ' stopped$' "$work/proxy.log" || fail "the proxy did not stop in order"
expect_equal "reloads" 1 "$(grep -c 'reloaded: ' "$work/proxy.log")"
for child in "${children[@]}"; do
    ! kill -0 "$child" 2>/dev/null || fail "process $child outlived the terminal"
done
