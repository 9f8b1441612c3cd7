#!/usr/bin/env bash
# Stops what `make run` started, and waits until it is gone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

STOP_SECONDS=60

pid=$(running_pid) || {
    say "Atoll is not running (or was not started by make run)"
    exit 0
}
as_root kill -TERM "$pid"
deadline=$((SECONDS + STOP_SECONDS))
while running_pid >/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || die "process $pid does not stop; its log is $STATE_DIR/atoll.log"
    sleep 0.1
done
rm -f "$STATE_DIR/atoll.pid"
say "stopped"
