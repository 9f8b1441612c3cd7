#!/usr/bin/env bash
# Runs tests: scripts/nextest.sh PROFILE CARGO-ARGS...
# By nextest, which is installed when it is not there; by `cargo test` when it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

profile=$1
shift
# Programs that the system tests run, and the packages that have them.
needed=(mkfs.ext4:e2fsprogs dockerd:docker.io podman:podman runc:runc mkfs.xfs:xfsprogs runsc:runsc busybox:busybox-static
    promtool:prometheus mmdebstrap:mmdebstrap docker-registry:docker-registry chromium:chromium ip:iproute2 vim:vim htop:htop
    tmux:tmux)
if [ "$profile" = system ]; then
    packages=()
    for pair in "${needed[@]}"; do have "${pair%%:*}" || packages+=("${pair#*:}"); done
    [ ${#packages[@]} -eq 0 ] || apt_install "the tests of the real programs" "${packages[@]}"
fi
if [ "$profile" = system ] && [ "$(id -u)" -ne 0 ]; then
    have sudo || die "these tests need root, and there is no sudo"
    # Only the tests run as root: what cargo builds stays ours.
    triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${triple}_RUNNER=sudo --preserve-env"
fi
if have cargo-nextest || cargo install --quiet --locked cargo-nextest; then
    exec cargo nextest run --profile "$profile" "$@"
fi
say "cargo-nextest cannot be had here: falling back on cargo test"
threads=()
[ "$profile" = system ] && threads=(-- --test-threads=1)
exec cargo test --no-fail-fast "$@" "${threads[@]}"
