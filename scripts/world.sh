# shellcheck shell=bash
# A server of one's own for tests: to be sourced behind lib.sh, as root. It has a state, data, port and context of the
# command line of its own, and leaves nothing behind; what went wrong is left to look at.

scratch=$(mktemp -d)
export STATE_DIR=$scratch/state DATA_DIR=$scratch/data XDG_CONFIG_HOME=$scratch/config
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PORT
# Tests ask faster than people.
export ATOLL_RATE_LIMIT_ANONYMOUS=off ATOLL_RATE_LIMIT_AUTH=off ATOLL_RATE_LIMIT_USER=off
chmod 0755 "$scratch"

end_world() {
    local result=$?
    make --no-print-directory stop || result=1
    # What ran leaves nothing behind.
    if [ -d "$DATA_DIR" ]; then ./atoll doctor --data-dir "$DATA_DIR" || result=1; fi
    # Sandboxes that are up go on without their server, but not without their world: without records none has an owner.
    if [ "$result" -eq 0 ] && [ -d "$DATA_DIR" ]; then
        rm -f "$DATA_DIR"/serve/atoll.db*
        ./atoll doctor --data-dir "$DATA_DIR" --fix || result=1
    fi
    # What a stopped server keeps for its next start, of which there is none.
    if [ -e "$DATA_DIR/installation" ]; then
        find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -depth -name "atoll-$(cat "$DATA_DIR/installation")" -exec rmdir {} + || true
    fi
    if mountpoint -q "$DATA_DIR/native/pool"; then umount "$DATA_DIR/native/pool" || result=1; fi
    if [ "$result" -eq 0 ]; then rm -rf "$scratch"; else say "left for you to look at: $scratch"; fi
    exit "$result"
}
trap end_world EXIT
