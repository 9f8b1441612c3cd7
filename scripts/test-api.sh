#!/usr/bin/env bash
# Every operation of the OpenAPI document against a live server: see scripts/api/ask.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env "$0"
tools=$(python_tools scripts/api/requirements.txt)
. scripts/world.sh

make --no-print-directory run
read -r email password <"$STATE_DIR/account"
key=$(curl --noproxy '*' -fsS "$(base_url)/auth/login" -H 'content-type: application/json' \
    -d "{\"email\":\"$email\",\"password\":\"$password\"}" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["token"])')
PATH=$tools/bin:$PATH scripts/api/ask.sh "$(base_url)" "$key"
