# shellcheck shell=bash
# Shared by the scripts beside it: to be sourced.

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root, by sudo when we are not. Fails with a sentence when there is no way.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

# Runs a command again when it fails, twice: a mirror or a network may be away for a moment.
retry() {
    local pause
    for pause in 5 20; do
        "$@" && return
        say "failed, again in $pause s: $*"
        sleep "$pause"
    done
    "$@"
}

# Installs the packages that are not there. $1 says what for, the rest are names of Debian packages.
apt_install() {
    local purpose=$1 package
    shift
    local missing=()
    for package in "$@"; do
        dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    have apt-get || die "$purpose needs ${missing[*]}: install them with your package manager"
    say "installing ${missing[*]} ($purpose)"
    retry as_root apt-get update -qq -o Acquire::Retries=3 </dev/null >&2
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Acquire::Retries=3 "${missing[@]}" </dev/null >&2
}

# Where `make run` keeps its process id, its log and the first account's password.
STATE_DIR=${STATE_DIR:-.atoll}
TARGET_DIR=${TARGET_DIR:-${CARGO_TARGET_DIR:-target}}
DATA_DIR=${DATA_DIR:-/var/lib/atoll}
PORT=${PORT:-3001}
HOST=${HOST:-127.0.0.1}

# The address at which a person here reaches the server.
base_url() {
    case $HOST in
        0.0.0.0 | ::) printf 'http://127.0.0.1:%s' "$PORT" ;;
        *:*) printf 'http://[%s]:%s' "$HOST" "$PORT" ;;
        *) printf 'http://%s:%s' "$HOST" "$PORT" ;;
    esac
}

answers() { curl --noproxy '*' -fsS --max-time 2 -o /dev/null "$(base_url)$1" 2>/dev/null; }

# The start time of a process in clock ticks since boot: with the pid it names a process for good.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Prints the pid that `make run` started, while that very process lives.
running_pid() {
    local pid started
    [ -r "$STATE_DIR/atoll.pid" ] || return 1
    read -r pid started <"$STATE_DIR/atoll.pid" || return 1
    [ -n "$pid" ] && [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && printf '%s' "$pid"
}

# Where tools are kept that the package managers of other languages bring: outside the checkout, so that they outlive it.
TOOLS=${ATOLL_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atoll/tools}

# Prints the folder of a Python environment with exactly what $1 (a requirements file) names, and makes it first when it
# is not there. One that was not finished does not count.
python_tools() {
    local folder
    folder=$TOOLS/python-$(cat "$1" <(python3 --version) | sha256sum | cut -c1-12)
    if [ ! -e "$folder/.done" ]; then
        python3 -c 'import ensurepip' 2>/dev/null || apt_install "the tools of $1" python3-venv
        say "installing what $1 names"
        rm -rf "$folder"
        mkdir -p "$TOOLS"
        python3 -m venv "$folder" >&2
        retry "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$1" >&2
        touch "$folder/.done"
    fi
    printf '%s' "$folder"
}

# Puts what package-lock.json of the folder $1 names where node looks for it: a link to a folder outside the checkout.
node_tools() {
    local folder
    have npm || apt_install "the TypeScript SDK" nodejs npm
    folder=$TOOLS/node-$(cat "$1/package-lock.json" <(node --version) | sha256sum | cut -c1-12)
    if [ ! -e "$folder/.done" ]; then
        say "installing what $1/package-lock.json names"
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "$1/package.json" "$1/package-lock.json" "$folder"
        # Not `npm ci`: it refuses a lock file without the parts for other platforms, which not every mirror has.
        retry env -C "$folder" npm install --silent --no-audit --no-fund --ignore-scripts >&2
        touch "$folder/.done"
    fi
    [ -L "$1/node_modules" ] || rm -rf "$1/node_modules"
    ln -sfn "$folder/node_modules" "$1/node_modules"
}
