#!/usr/bin/env bash
# Fetches the program of the page /redoc, and puts it where the build embeds it. Run it to take another version: the
# program is committed, so that a build needs no npm. `--check` only says whether what is committed is this version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

VERSION=2.5.4
FOLDER=crates/http/assets/redoc

have npm || die "this needs npm"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && npm pack --silent "redoc@$VERSION" >/dev/null)
tar -xzf "$scratch/redoc-$VERSION.tgz" -C "$scratch" package/bundles/redoc.standalone.js package/LICENSE
# The logo of its maker is the one thing that it would load from elsewhere, where our policy forbids it.
program=$scratch/redoc.standalone.js
sed 's#https://cdn\.redoc\.ly/redoc/logo-mini\.svg#data:,#' "$scratch/package/bundles/redoc.standalone.js" >"$program"
if grep -q 'cdn\.redoc\.ly' "$program"; then die "redoc $VERSION loads something from elsewhere"; fi
if [ "${1:-}" = --check ]; then
    gzip -dc "$FOLDER/redoc.standalone.js.gz" | cmp - "$program"
    exit
fi
gzip -9nc "$program" >"$FOLDER/redoc.standalone.js.gz"
cp "$scratch/package/LICENSE" "$FOLDER/LICENSE"
say "redoc $VERSION: $(wc -c <"$FOLDER/redoc.standalone.js.gz") bytes"
