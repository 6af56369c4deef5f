#!/usr/bin/env bash
# Says plainly what is missing on this machine, and makes the Python environments the targets use.
#   setup.sh tools          cargo, node, npm and a C compiler are there
#   setup.sh venv FILE      .venv holds what FILE (a requirements.txt) names
#   setup.sh browser        a Chromium for the browser test; installed when root on Debian or Ubuntu
#   setup.sh rclone         rclone for the S3 tests; installed likewise
#   setup.sh dvc            DVC for the S3 tests, in .venv/dvc
#   setup.sh kserve         KServe's client for the serving tests, in .venv/kserve
#   setup.sh flavours       libraries whose models MLflow keeps, in .venv/flavours: 8 GB, for test_flavours.py
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
    echo "missing: $1" >&2
    echo "  hint: $2" >&2
    exit 1
}

tools() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$PATH:$HOME/.cargo/bin"
    command -v cargo >/dev/null || missing "cargo (Rust 1.95 or newer)" "install Rust from https://rustup.rs"
    command -v cc >/dev/null || missing "a C compiler, for the bundled SQLite" "apt-get install build-essential"
    command -v node >/dev/null || missing "node 20 or newer, to build the web UI" "install Node.js from https://nodejs.org"
    command -v npm >/dev/null || missing "npm, to build the web UI" "it comes with Node.js; on Debian: apt-get install npm"
}

python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    missing "Python 3.11 or newer with the venv module" "on Debian or Ubuntu: apt-get install python3 python3-venv"
}

# The second argument is the folder of the environment, .venv by default.
environment() {
    local requirements=$1 folder=${2:-.venv} wanted stamp
    wanted=$(cat "$requirements" examples/*/requirements.txt | cksum)
    stamp=$folder/.$(echo "$requirements" | tr / -)
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    local interpreter
    interpreter=$(python)
    [ -x "$folder/bin/python" ] || "$interpreter" -m venv "$folder"
    echo "installing $requirements into $folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
        missing "the packages of $requirements" "pip said why above; offline, point PIP_INDEX_URL or PIP_FIND_LINKS at a mirror"
    echo "$wanted" >"$stamp"
}

# Installs a package when root on Debian or Ubuntu, else says what is missing and what for.
package() {
    local name=$1 purpose=$2
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $name for $purpose" >&2
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$name"; } >/dev/null
    else
        missing "$name, for $purpose" "on Debian: sudo apt-get install $name"
    fi
}

browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return
    done
    package chromium "the browser test"
}

rclone() {
    type -P rclone >/dev/null || package rclone "the S3 tests"
}

case "${1:-}" in
tools) tools ;;
venv) environment "$2" ;;
browser) browser ;;
rclone) rclone ;;
dvc) environment tests/clients/dvc.txt .venv/dvc ;;
kserve) environment tests/clients/kserve.txt .venv/kserve ;;
flavours) environment tests/clients/flavours.txt .venv/flavours ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
