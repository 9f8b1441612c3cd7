#!/usr/bin/env bash
# What ships is one file: scripts/test-dist.sh ATOLL takes it alone into an empty folder, and uses it as a newcomer would.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

program=$(realpath "${1:?usage: scripts/test-dist.sh ATOLL}")
[ "$(id -u)" -eq 0 ] || exec sudo "$0" "$program"
scratch=$(mktemp -d)
chmod 0755 "$scratch"
cp "$program" "$scratch/atoll"
cd "$scratch"
data=$scratch/data
supervisor=

# Nothing of the checkout is in reach: no variable, no folder beside it.
alone=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "HOME=$scratch" ATOLL_ADMIN_EMAIL=admin@example.com
    "ATOLL_ADMIN_PASSWORD=correct horse battery")

finish() {
    local result=$?
    if [ -n "$supervisor" ]; then
        kill -TERM "$supervisor" 2>/dev/null || true
        wait "$supervisor" || result=1
    fi
    # What a stopped server keeps for its next start, of which there is none.
    find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -depth -name "atoll-$(cat "$data/installation")" -exec rmdir {} + ||
        true
    if mountpoint -q "$data/native/pool"; then umount "$data/native/pool" || result=1; fi
    if [ "$result" -eq 0 ]; then rm -rf "$scratch"; else say "left for you to look at: $scratch"; fi
    exit "$result"
}
trap finish EXIT

"${alone[@]}" ./atoll serve --data-dir "$data" --port 0 >log 2>&1 &
supervisor=$!
for _ in $(seq 300); do
    [ -s "$data/serve/address" ] && break
    kill -0 "$supervisor" 2>/dev/null || die "it does not start: $(cat log)"
    sleep 0.1
done
url=$(cat "$data/serve/address")
printf 'correct horse battery\n' | "${alone[@]}" ./atoll login --url "$url" --email admin@example.com --password-stdin >&2
said=$("${alone[@]}" ./atoll run -- uname -a)
case $said in "Linux sandbox-"*) ;; *) die "uname -a said: $said" ;; esac
"${alone[@]}" ./atoll doctor --data-dir "$data" >&2
say "test-dist: one file, $(($(stat -c %s atoll) / 1048576)) MiB, serves, runs and leaves nothing"
