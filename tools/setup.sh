#!/bin/sh
# Build .venv, or bring it up to date: `tools/setup.sh run|dev`. Called by every target of the Makefile.
#
#   run   what the two commands need                 (requirements/run.txt, build.txt)
#   dev   the same and what tests and checks need    (requirements/dev.txt, which contains both)
#
# Nothing happens when the stamp in .venv already names these requirements, this interpreter and this folder. A clone
# that was moved or copied is noticed by its folder, since scripts in a virtual environment hold absolute paths.
# Every file is checked against the hashes in the requirements. Where the index comes from is pip's configuration.
# PYTHON=/path/to/python chooses the interpreter; otherwise the first one of 3.11 or newer is taken.
set -eu

kind=${1:?usage: tools/setup.sh run|dev}
venv=.venv

say() { printf '%s\n' "$*" >&2; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_recent "$PYTHON" || { say "PYTHON=$PYTHON is not a Python of 3.11 or newer"; exit 1; }
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.13 python3.14 python3.15 python; do
        if is_recent "$candidate"; then printf '%s\n' "$candidate"; return; fi
    done
    say "no Python of 3.11 or newer found; name one with PYTHON=/path/to/python"
    exit 1
}

# What a finished environment answers to. cksum is no security: the hashes in the requirements are.
fingerprint() {
    pwd
    "$venv/bin/python" -c 'import sys; print(sys.version)'
    cat "$@" | cksum
}

has_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

# Debian and its children split venv in two: without python3-venv there is no ensurepip, but pip can work from outside.
create() {
    python=$(find_python)
    say "setting up $venv with $("$python" --version) ..."
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        "$python" -m venv --without-pip "$venv"
    fi
}

pip_install() {
    # A user's PIP_USER or PIP_TARGET would lead the files elsewhere.
    unset PIP_USER PIP_TARGET PIP_PREFIX
    if has_pip; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    else
        "$(find_python)" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check "$@"
    fi
}

# $1: name of the stamp, rest: the files it stands for. True when the stamp is there and tells the same.
is_fresh() {
    stamp=$venv/$1.stamp
    shift
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(fingerprint "$@")" = "$(cat "$stamp")" ]
}

is_at_home() { [ ! -f "$venv/folder.stamp" ] || [ "$(pwd)" = "$(cat "$venv/folder.stamp")" ]; }

case $kind in
    run) set -- requirements/run.txt requirements/build.txt ;;
    dev) set -- requirements/dev.txt ;;
    *) say "usage: tools/setup.sh run|dev"; exit 2 ;;
esac

if ! "$venv/bin/python" -c '' >/dev/null 2>&1 || ! is_at_home; then create; fi
pwd >"$venv/folder.stamp"

if ! is_fresh "$kind" "$@" && ! { [ "$kind" = run ] && is_fresh dev requirements/dev.txt; }; then
    say "installing the $kind requirements (a minute or so, once) ..."
    rm -f "$venv/$kind.stamp"
    options=
    for file in "$@"; do options="$options -r $file"; done
    # shellcheck disable=SC2086 # the names are ours and hold no spaces
    pip_install --require-hashes $options
    fingerprint "$@" >"$venv/$kind.stamp"
fi

if ! is_fresh project pyproject.toml; then
    pip_install --no-deps --no-build-isolation --editable .
    fingerprint pyproject.toml >"$venv/project.stamp"
fi
