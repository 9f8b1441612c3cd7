#!/usr/bin/env bash
# The SDKs: that their generated parts are those of the committed document, their lints and types, and their tests and the
# examples of their READMEs against a live server.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env "$0"
scripts/sdk.sh --check
python=$(python_tools sdk/python/requirements-dev.txt)
export PATH=$python/bin:$PATH
. scripts/world.sh

(cd sdk/python && ruff check --quiet . && ruff format --quiet --check . && mypy)
(cd sdk/typescript && npm run --silent check && npm run --silent build)
make --no-print-directory run
read -r ATOLL_EMAIL ATOLL_PASSWORD <"$STATE_DIR/account"
ATOLL_URL=$(base_url)
export ATOLL_URL ATOLL_EMAIL ATOLL_PASSWORD
(cd sdk/python && PYTHONPATH=src pytest)
(cd sdk/typescript && npm run --silent test)
