#!/usr/bin/env bash
# Makes the generated parts of the SDKs anew from openapi/atoll.json. `--check` changes nothing, and fails where that was
# forgotten.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

python=$(python_tools sdk/python/requirements-dev.txt)
node_tools sdk/typescript
(cd sdk/python && PATH=$python/bin:$PATH python3 generate.py "$@")
if [ "${1:-}" = --check ]; then
    (cd sdk/typescript && npm run --silent generate -- --check >&2) ||
        die "sdk/typescript/src/schema.ts is old: run \`make sdk\`"
else
    (cd sdk/typescript && npm run --silent generate >&2)
fi
