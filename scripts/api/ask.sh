#!/usr/bin/env bash
# Sends what the OpenAPI document allows, and what it does not, to every operation of the server at $1 with the key $2: no
# answer may be a 5xx, or one that the document does not say. Bounded in time: API_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh

url=$1 key=$2
seconds=${API_SECONDS:-120}
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

post() {
    curl --noproxy '*' -fsS "$url$1" -H "authorization: Bearer $key" -H 'content-type: application/json' -d "$2" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["id"])'
}

# Most of the API is about a sandbox that runs: one is there for everything that does not end or stop it, with an exec, a
# job and a file.
sandbox=$(post /sandboxes '{"image":"host","ttlSeconds":600}')
exec=$(post "/sandboxes/$sandbox/exec" '{"command":"sleep 600","async":true,"openStdin":true}')
job=$(post "/sandboxes/$sandbox/background" '{"command":"sleep 600"}')
curl --noproxy '*' -fsS -o /dev/null "$url/sandboxes/$sandbox/files?path=hello.txt" -H "authorization: Bearer $key" --data-binary hello
# Commands of strangers' making must end: an exec that waits would hold up the rest.
cat >"$folder/schemathesis.toml" <<END
[[operations]]
include-path-regex = "^/(ws/)?sandboxes/\\\\{id\\\\}/(exec|execs|background|files|archive|logs|metrics|search|terminals|terminal|keepalive|stream|watch)"
[operations.parameters]
"path.id" = "$sandbox"
"path.exec_id" = "$exec"
"path.job_id" = "$job"
"query.exec_id" = "$exec"
[[operations]]
include-name = "POST /sandboxes/{id}/exec"
[operations.parameters]
"path.id" = "$sandbox"
"body.timeoutSeconds" = 2
END
# A tar of one file, for the operations that take one.
cat >"$folder/hooks.py" <<'END'
import io
import tarfile

import schemathesis


@schemathesis.serializer("application/x-tar")
def tar(context, value):
    """What a generated value becomes: itself where it is bytes or text, so that broken archives are sent too, or in a tar."""
    content = value if isinstance(value, bytes) else str(value).encode()
    if len(content) % 2:
        return content
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("inside/file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
END
export SCHEMATHESIS_HOOKS=hooks
cd "$folder"
# Events have no end, so that they are no answer to wait for. One worker: before Python 3.11.8, two threads that parse at the same time
# can fail each other ("AST constructor recursion depth mismatch"), and the tool does.
schemathesis --config-file "$folder/schemathesis.toml" run "$url/openapi.json" \
    --header "Authorization: Bearer $key" --checks "$checks" --exclude-path /events --phases examples,coverage,fuzzing,stateful \
    --max-time "$seconds" --max-examples 20 --request-timeout 20 --workers 1 --seed 7 --warnings off \
    --generation-database none --suppress-health-check filter_too_much --no-color --continue-on-failure
