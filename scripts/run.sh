#!/usr/bin/env bash
# Starts Atoll in the background, logs the command line in, and says what to type next.
# DATA_DIR, PORT, HOST, ATOLL_ADMIN_EMAIL and ATOLL_ADMIN_PASSWORD choose what is not to be the default.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# How long a first start may take: it makes the storage pool and looks through the host.
START_SECONDS=60

mkdir -p "$STATE_DIR"
ln -sfn "$(realpath "$TARGET_DIR")/debug/atoll" atoll

# The first account: what the environment says, else what an earlier start made, else a new one.
choose_account() {
    local kept=$STATE_DIR/account
    if [ -n "${ATOLL_ADMIN_EMAIL:-}" ] && [ -n "${ATOLL_ADMIN_PASSWORD:-}" ]; then
        return 0
    fi
    if [ ! -s "$kept" ]; then
        (
            umask 077
            printf '%s %s\n' "admin@atoll.local" "$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')" >"$kept"
        )
        fresh_account=1
    fi
    read -r ATOLL_ADMIN_EMAIL ATOLL_ADMIN_PASSWORD <"$kept"
    export ATOLL_ADMIN_EMAIL ATOLL_ADMIN_PASSWORD
}

# The new process writes down its own pid, then becomes the program: `atoll serve` keeps it as supervisor.
start() {
    local note=$STATE_DIR/atoll.pid.new pid
    # shellcheck disable=SC2016 # the inner shell expands these
    local launch=(setsid bash -c 'echo "$$" >"$1"; shift; exec "$@" </dev/null' launch "$note"
        "$(realpath atoll)" serve --data-dir "$(realpath -m "$DATA_DIR")" --port "$PORT")
    if [ "$(id -u)" -ne 0 ]; then
        sudo -v || die "starting sandboxes needs root"
        launch=(sudo "--preserve-env=HOST,ATOLL_ADMIN_EMAIL,ATOLL_ADMIN_PASSWORD" "${launch[@]}")
    fi
    rm -f "$note"
    # The log has a bound. Whatever waits for the end of our own output must not wait for its keeper.
    HOST=$HOST "${launch[@]}" > >(exec setsid scripts/keep-log.sh "$STATE_DIR/atoll.log" >/dev/null 2>&1) 2>&1 &
    for _ in $(seq 100); do
        [ -s "$note" ] && break
        sleep 0.05
    done
    [ -s "$note" ] || die "the server could not be started: see $STATE_DIR/atoll.log"
    read -r pid <"$note"
    rm -f "$note"
    printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$STATE_DIR/atoll.pid"
}

wait_until_ready() {
    local deadline=$((SECONDS + START_SECONDS))
    until answers /health/ready; do
        if ! running_pid >/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            say "the server did not come up; the end of $STATE_DIR/atoll.log:"
            tail -n 20 "$STATE_DIR/atoll.log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

log_in() {
    printf '%s\n' "$ATOLL_ADMIN_PASSWORD" |
        ./atoll login --url "$(base_url)" --email "$ATOLL_ADMIN_EMAIL" --password-stdin >&2 ||
        say "could not log in as $ATOLL_ADMIN_EMAIL: this data folder has other accounts; use ./atoll login"
}

fresh_account=
choose_account
if answers /health; then
    say "Atoll is running already at $(base_url)"
else
    start
    wait_until_ready
    log_in
    say "Atoll runs at $(base_url)"
fi
if [ -n "$fresh_account" ]; then
    say "first account: $ATOLL_ADMIN_EMAIL, password $ATOLL_ADMIN_PASSWORD (kept in $STATE_DIR/account)"
fi
say "data: $DATA_DIR   log: $STATE_DIR/atoll.log   stop: make stop"
say ""
say "Now type:"
say "  ./atoll run -- uname -a"
