#!/usr/bin/env bash
# Every operation of the OpenAPI document against a live server: see scripts/api/ask.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env "$0"
tools=$(python_tools scripts/api/requirements.txt)
. scripts/world.sh

# Public sessions too, a few of them.
export ATOLL_SESSIONS=true ATOLL_SESSIONS_ALLOW_NATIVE=true
make --no-print-directory run
read -r email password <"$STATE_DIR/account"
# Prints the field $3 of `data` in the answer to $2, sent to $1; the rest are arguments of curl.
ask() {
    curl --noproxy '*' -fsS "$(base_url)$1" -H 'content-type: application/json' -d "$2" "${@:4}" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][sys.argv[1]])' "$3"
}
# A key, since a token ends with the first log-out that is asked for.
token=$(ask /auth/login "{\"email\":\"$email\",\"password\":\"$password\"}" token)
key=$(ask /api-keys '{"name":"test-api"}' key -H "authorization: Bearer $token")
PATH=$tools/bin:$PATH scripts/api/ask.sh "$(base_url)" "$key"
