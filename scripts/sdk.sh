#!/usr/bin/env bash
# Makes the generated parts of the SDKs anew from openapi/atoll.json. `--check` changes nothing, and fails where that was
# forgotten.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

python=$(python_tools sdk/python/requirements-dev.txt)
(cd sdk/python && PATH=$python/bin:$PATH python3 generate.py "$@")
