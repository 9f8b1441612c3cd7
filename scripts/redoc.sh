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
if [ "${1:-}" = --check ]; then
    gzip -dc "$FOLDER/redoc.standalone.js.gz" | cmp - "$scratch/package/bundles/redoc.standalone.js"
    exit
fi
gzip -9nc "$scratch/package/bundles/redoc.standalone.js" >"$FOLDER/redoc.standalone.js.gz"
cp "$scratch/package/LICENSE" "$FOLDER/LICENSE"
say "redoc $VERSION: $(wc -c <"$FOLDER/redoc.standalone.js.gz") bytes"
