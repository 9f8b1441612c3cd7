#!/usr/bin/env bash
# Measures Atoll beside Docker, runc, bubblewrap, OpenSSH and the floor program, in one run.
# WRITE=1 puts the table into docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

apt_install "the peers of the benchmark" docker.io runc bubblewrap busybox-static btrfs-progs openssh-server runsc musl-tools
cargo build --package atoll-bench
arguments=(--atoll "$TARGET_DIR/debug/atoll")
[ -z "${WRITE:-}" ] || arguments+=(--write docs/benchmarks.md)
as_root "$TARGET_DIR/debug/atoll-bench" "${arguments[@]}" "$@"
