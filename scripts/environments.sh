#!/usr/bin/env bash
# Makes the environments for deploying, each from its own lock; a second run finds them done:
# .venv-infra (CDK, cfn-lint) and .venv-checkov. Needs .venv, which bootstrap.sh makes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The interpreter that .venv was made with, and a pip that can fill another environment.
BASE=$(.venv/bin/python -c 'import sys; print(sys._base_executable)')
PIP=.venv/bin/python
"$PIP" -m pip --version >/dev/null 2>&1 || PIP=$BASE

# fill NAME: .venv-NAME from requirements-NAME.lock.
fill() {
    local venv=.venv-$1 lock=requirements-$1.lock wanted
    wanted="$PWD $BASE $(cksum <"$lock")"
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] && return
    printf 'Installing Python packages from %s ...\n' "$lock" >&2
    rm -rf "$venv"
    "$BASE" -m venv --without-pip "$venv"
    "$PIP" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check \
        --no-input --no-compile --no-deps --only-binary :all: --require-hashes -r "$lock"
    echo "$wanted" >"$venv/installed"
}

# Both at once: one downloads while the other unpacks. In the background each stops at its first
# failure; called in a condition, bash would let it go on and call it done.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=
fill checkov >"$log" 2>&1 &
checkov=$!
fill infra &
wait $! || failed=infra
wait "$checkov" || failed="$failed checkov"
cat "$log" >&2
if [ -n "$failed" ]; then
    echo "environments: could not make these: $failed" >&2
    exit 69
fi
