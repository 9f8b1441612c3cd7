#!/usr/bin/env bash
# Everything that is checked without running the programs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

step() { say "lint: $*"; "$@"; }

step cargo fmt --all --check
step rustfmt --check --edition 2024 fuzz/targets/*.rs
# The fuzz targets are a workspace of their own: its lock file does not follow the other's by itself.
step cargo metadata --quiet --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
step cargo xtask check-deps
step cargo xtask docs --check
step cargo clippy --quiet --workspace --all-targets -- -D warnings
if have shellcheck; then
    step shellcheck --external-sources --source-path=SCRIPTDIR .ci/run scripts/*.sh scripts/api/*.sh scripts/guest/*.sh \
        images/*/*.sh
else
    say "lint: no shellcheck here, shell scripts are only parsed"
    for script in .ci/run scripts/*.sh scripts/api/*.sh scripts/guest/*.sh images/*/*.sh; do bash -n "$script"; done
fi
if have cargo-deny; then
    step cargo deny --log-level error check bans licenses sources
else
    say "lint: no cargo-deny here, licences and bans are not checked (make deny does)"
fi
