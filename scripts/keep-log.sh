#!/usr/bin/env bash
# Writes standard input to a file, by lines: keep-log.sh FILE. When the file has LOG_BYTES_MAX bytes it becomes FILE.1, and
# what was that FILE.2; of the older ones nothing is kept. Ends when nobody writes any more.
set -uo pipefail
export LC_ALL=C

# 16 MiB a file, 64 MiB in all, as the log of requests.
LOG_BYTES_MAX=${LOG_BYTES_MAX:-$((16 << 20))}
OLD_FILES=3
file=$1

open() {
    exec 3>>"$file"
    bytes=$(stat -c %s "$file" 2>/dev/null || echo 0)
}

rotate() {
    local age
    exec 3>&-
    for ((age = OLD_FILES - 1; age > 0; age--)); do
        if [ -e "$file.$age" ]; then mv -f "$file.$age" "$file.$((age + 1))"; fi
    done
    mv -f "$file" "$file.1"
    open
}

# Whoever stops the server in a terminal does not stop this before it has written the last lines.
trap '' INT TERM HUP
open
while IFS= read -r line || [ -n "$line" ]; do
    if [ "$bytes" -gt 0 ] && [ $((bytes + ${#line} + 1)) -gt "$LOG_BYTES_MAX" ]; then rotate; fi
    # A full disk loses lines, and nothing else.
    printf '%s\n' "$line" >&3 2>/dev/null && bytes=$((bytes + ${#line} + 1))
done
