#!/bin/sh
# Run inside the guest of run.sh: Atoll on a kernel with cgroup v2 alone. Each line that fails ends it.
set -eu

fail() { echo "failed: $*" >&2; cat /tmp/atoll.log >&2; exit 1; }
same() { [ "$2" = "$3" ] || fail "$1: wanted $2, found $3"; }

export ATOLL_ADMIN_EMAIL=guest@example.com ATOLL_ADMIN_PASSWORD=guest-password
/test/atoll serve --data-dir /var/lib/atoll --port 3001 >/tmp/atoll.log 2>&1 &
tries=0
until echo "$ATOLL_ADMIN_PASSWORD" | /test/atoll login --email "$ATOLL_ADMIN_EMAIL" --password-stdin 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "the server does not come up"
    sleep 1
done

same "a command" hello "$(/test/atoll run -- echo hello)"

id=$(/test/atoll create --memory 64 --cpu 0.5 --pids 40)
group=$(echo /sys/fs/cgroup/atoll-*/sandbox-"$id"/workload)
same "memory.max" $((64 * 1024 * 1024)) "$(cat "$group/memory.max")"
same "pids.max" 40 "$(cat "$group/pids.max")"
same "cpu.max" "50000 100000" "$(cat "$group/cpu.max")"
same "what a command sees" "0::/" "$(/test/atoll exec "$id" -- cat /proc/self/cgroup)"

# Memory is the sandbox's own; its agent has some beside it.
/test/atoll exec "$id" -- sh -c 'head -c 200m /dev/zero | tail -c 190m >/dev/null' && fail "the memory limit did not hold"
same "after running out of memory" alive "$(/test/atoll exec "$id" -- echo alive)"
grep -q '^oom_kill [1-9]' "$group/memory.events" || fail "nothing was killed: $(cat "$group/memory.events")"

# Frozen and forking without end, it is gone all the same.
/test/atoll exec --detach "$id" -- sh -c 'bomb() { bomb | bomb & }; bomb; sleep 100' >/dev/null
sleep 1
echo 1 >"$group/cgroup.freeze"
/test/atoll rm "$id" >/dev/null
[ ! -e "$group" ] || fail "the control group is still there"

/test/atoll doctor --data-dir /var/lib/atoll || fail "something leaks"
kill %1
wait %1 || true
echo "cgroup v2: passed"
