#!/usr/bin/env bash
# Runs tests: scripts/nextest.sh PROFILE CARGO-ARGS...
# By nextest, which is installed when it is not there; by `cargo test` when it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

profile=$1
shift
if [ "$profile" = system ] && ! have mkfs.ext4; then apt_install "tests on disks of their own" e2fsprogs; fi
if [ "$profile" = system ] && ! have dockerd; then apt_install "the escape suite beside Docker" docker.io; fi
if [ "$profile" = system ] && ! have podman; then apt_install "Podman in Docker's place" podman runc; fi
if [ "$profile" = system ] && ! have mkfs.xfs; then apt_install "disks of XFS below Docker" xfsprogs; fi
if [ "$profile" = system ] && ! have runsc; then apt_install "the runtime gvisor" runsc; fi
if [ "$profile" = system ] && ! have busybox; then apt_install "a small image" busybox-static; fi
if [ "$profile" = system ] && ! have promtool; then apt_install "the check of the metrics" prometheus; fi
if [ "$profile" = system ] && ! have mmdebstrap; then apt_install "the image of the demo" mmdebstrap; fi
if [ "$profile" = system ] && ! have docker-registry; then apt_install "pulls from a real registry" docker-registry; fi
if [ "$profile" = system ] && ! have chromium; then apt_install "the page of docs/embed.md" chromium; fi
if [ "$profile" = system ] && ! have ip; then apt_install "tests in an Internet of their own" iproute2; fi
if [ "$profile" = system ]; then
    for program in vim htop tmux; do have "$program" || apt_install "tests of terminals" "$program"; done
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
