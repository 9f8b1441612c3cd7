#!/usr/bin/env bash
# Runs tests: scripts/nextest.sh PROFILE CARGO-ARGS...
# By nextest, which is installed when it is not there; by `cargo test` when it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

profile=$1
shift
if [ "$profile" = system ]; then
    [ "$(id -u)" -eq 0 ] || exec sudo --preserve-env "$0" "$profile" "$@"
fi
if have cargo-nextest || cargo install --quiet --locked cargo-nextest; then
    exec cargo nextest run --profile "$profile" "$@"
fi
say "cargo-nextest cannot be had here: falling back on cargo test"
threads=()
[ "$profile" = system ] && threads=(-- --test-threads=1)
exec cargo test --no-fail-fast "$@" "${threads[@]}"
