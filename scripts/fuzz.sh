#!/usr/bin/env bash
# Runs each fuzz target for a moment: scripts/fuzz.sh [TARGET...]. FUZZ_SECONDS for longer.
# The compiler is the one of every other build: the coverage that libFuzzer steers by needs no nightly, and what is fuzzed
# is safe Rust, where a sanitizer of memory would find little.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# A moment that finds what a change has just broken; a long run is somebody's decision.
seconds=${FUZZ_SECONDS:-20}
# Largest input, in bytes: the largest packet is 64 KiB, and small inputs are tried sooner.
max_len=16384
folder=$(cd "$TARGET_DIR" && pwd)/fuzz
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(launcher_protocol agent_protocol archive http_bodies terminal_frames stdio_link build_context)

have g++ || apt_install "building libFuzzer" g++
triple=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# With a target named, build scripts and macros are not covered: only what is fuzzed.
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --locked --manifest-path fuzz/Cargo.toml --target "$triple" \
    --target-dir "$folder" >&2

passed=0
failed=0
for target in "${targets[@]}"; do
    corpus=$folder/corpus/$target
    mkdir -p "$corpus" "$folder/findings/$target" "fuzz/seeds/$target"
    log=$folder/$target.log
    if "$folder/$triple/debug/$target" "$corpus" "fuzz/seeds/$target" -max_total_time="$seconds" -max_len=$max_len \
        -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$folder/findings/$target/" -print_final_stats=1 -verbosity=1 \
        >"$log" 2>&1; then
        passed=$((passed + 1))
        say "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs," \
            "$(find "$corpus" -type f | wc -l) in its corpus"
    else
        failed=$((failed + 1))
        tail -40 "$log" >&2
        say "fuzz: $target FAILED; the input is in $folder/findings/$target"
    fi
done
if [ "$failed" -eq 0 ]; then result=ok; else result=FAILED; fi
echo "test result: $result. $passed passed; $failed failed; 0 ignored"
[ "$failed" -eq 0 ]
