#!/usr/bin/env bash
# Licences, bans and sources of all dependencies. Builds cargo-deny first where it is missing (some minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# Tools of ours live beside the build cache, not among a person's own programs.
ATOLL_TOOLS=${ATOLL_TOOLS:-$HOME/.cache/atoll/tools}
PATH=$PATH:$ATOLL_TOOLS/bin
have cargo-deny || {
    say "building cargo-deny into $ATOLL_TOOLS, once"
    CARGO_TARGET_DIR=$ATOLL_TOOLS/build cargo install --quiet --locked --root "$ATOLL_TOOLS" cargo-deny
    rm -rf "$ATOLL_TOOLS/build"
}
cargo deny --log-level error check bans licenses sources
