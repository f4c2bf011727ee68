#!/usr/bin/env bash
# Brings a machine to where tests and demo run; a second run finds everything done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
STAMP=$VENV/installed
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "bootstrap: $*"
    exit 69
}

# step WHAT COMMAND...: one line while it goes well, the end of the log when it does not.
step() {
    local what=$1
    shift
    say "$what ..."
    "$@" >"$LOG" 2>&1 && return
    tail -n 25 "$LOG" >&2
    fail "failed: $what"
}

# Runs a command as root; fails, without asking for a password, where that is not possible.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_apt() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

apt_updated=
apt_update() {
    [ -n "$apt_updated" ] || step "Reading Debian's package lists" as_root apt-get update -q
    apt_updated=yes
}

find_python() {
    local name
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; set PYTHON to one that is not on the PATH"
}

make_venv() {
    rm -rf "$VENV"
    "$1" -m venv "$VENV" && return
    # Debian keeps ensurepip in a package of its own; pip from outside can fill the environment too.
    "$1" -m venv --without-pip --clear "$VENV" && "$1" -m pip --version
}

pip_install() {
    local pip=("$VENV/bin/python" -m pip)
    "${pip[@]}" --version >/dev/null 2>&1 || pip=("$PYTHON_FOUND" -m pip --python "$VENV/bin/python")
    "${pip[@]}" install --quiet --disable-pip-version-check --no-input --no-compile --no-deps "$@"
}

install_packages() {
    local wanted
    wanted="$PWD $(cat pyproject.toml requirements-dev.lock | cksum)"
    if [ -x "$VENV/bin/python" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    PYTHON_FOUND=$(find_python)
    if ! "$VENV/bin/python" -c '' 2>/dev/null; then
        if ! { "$PYTHON_FOUND" -c 'import ensurepip' || "$PYTHON_FOUND" -m pip --version; } \
            >/dev/null 2>&1; then
            can_apt || fail "neither venv nor pip comes with $PYTHON_FOUND: install python3-venv"
            apt_update
            step "Installing python3-venv" apt_install python3-venv
        fi
        step "Making $VENV with $("$PYTHON_FOUND" --version)" make_venv "$PYTHON_FOUND"
    fi
    step "Installing Python packages from requirements-dev.lock" \
        pip_install --require-hashes --only-binary :all: -r requirements-dev.lock
    step "Installing this project" pip_install --no-build-isolation --editable .
    check_fiona
    echo "$wanted" >"$STAMP"
}

# fiona's wheel brings GDAL with it, but not libexpat.
check_fiona() {
    "$VENV/bin/python" -c 'import fiona' 2>"$LOG" && return
    if grep -q libexpat "$LOG" && can_apt; then
        apt_update
        step "Installing libexpat1" apt_install libexpat1
    fi
    step "Importing fiona" "$VENV/bin/python" -c 'import fiona'
}

has_postgis() {
    "$VENV/bin/python" -c 'from worker.demo.postgis import find_binaries; find_binaries()' \
        2>/dev/null
}

find_postgis() {
    [ -n "${DATABASE_URL:-}${TEST_DATABASE_URL:-}" ] && return
    has_postgis && return
    if can_apt; then
        apt_update
        local package
        package=$(apt-cache pkgnames postgresql- |
            grep -E '^postgresql-[0-9]+-postgis-3$' | sort -t- -k2,2n | tail -n 1)
        [ -n "$package" ] || fail "Debian's package lists have no postgresql-*-postgis-3"
        step "Installing $package" apt_install "$package"
    elif command -v brew >/dev/null; then
        step "Installing PostGIS with Homebrew" brew install --quiet postgis
    fi
    has_postgis && return
    say "PostgreSQL with PostGIS is missing, and this script cannot install it here. Either"
    command -v apt-get >/dev/null && say "  sudo apt-get install postgresql-15-postgis-3"
    say "  install it, so that initdb is on the PATH, or"
    say "  start one and name it in TEST_DATABASE_URL for the tests, DATABASE_URL for the demo:"
    say "    docker run -d -p 127.0.0.1:5433:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgis/postgis"
    say "    export TEST_DATABASE_URL=postgresql://postgres@127.0.0.1:5433/postgres"
    exit 69
}

install_packages
find_postgis
