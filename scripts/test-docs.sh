#!/usr/bin/env bash
# Runs every command that the documents show, in their order, against a server of its own.
# A block fenced as `sh` is run; one that cannot be (it never ends, or it runs this) is fenced as `console`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env "$0"
. scripts/world.sh

passed=0
for document in README.md docs/*.md; do
    awk -v out="$scratch/block" '
        /^```sh$/ { inside = 1; file = sprintf("%s.%03d", out, ++n); printf "" > file; next }
        /^```/ { inside = 0 }
        inside { print > file }' "$document"
    # README.md starts a server, and stops it in the end; the others say what to do with one.
    if [ "$document" != README.md ] && [ -e "$scratch/block.001" ]; then make --no-print-directory run; fi
    for block in "$scratch"/block.*; do
        [ -e "$block" ] || continue
        say "$document: $(head -n 1 "$block")"
        # The port of the examples is the usual one; here it is ours.
        sed -i "s/\b3001\b/$PORT/g" "$block"
        bash -euo pipefail "$block" || die "$document shows commands that fail: $(cat "$block")"
        passed=$((passed + 1))
        rm "$block"
    done
done
[ "$passed" -gt 0 ] || die "no commands found in the documents"
say "test-docs: $passed blocks of commands work"
