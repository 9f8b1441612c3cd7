#!/usr/bin/env bash
# Installs what Atoll needs and is not there. Touches nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

have cargo || die "Rust is missing: install rustup, then come back"
have cc || apt_install "linking" gcc libc6-dev
have curl || apt_install "asking the server for its health" curl
have mkfs.btrfs || apt_install "disk limits of sandboxes" btrfs-progs
have nft || apt_install "networks of sandboxes" nftables
