#!/bin/sh
# Fetch Debian packages and unpack them below .tools/, for whoever runs this: `tools/debian.sh PACKAGE...`
#
# Nothing is installed and nobody's system changes. What a package needs and the machine lacks comes along; a package
# that the machine has is left to it. Where packages come from is the machine's own apt configuration; on a machine
# whose lists were never fetched, they are fetched into .tools/. Exit 0: every package is there. Exit 1: one line for
# each that is not, with the reason. `--soft` says the same and exits 0: tests that lack a program are skipped.
set -eu

say() { printf '%s\n' "$*" >&2; }

soft=no
if [ "${1:-}" = --soft ]; then soft=yes; shift; fi
[ $# -gt 0 ] || { say "usage: tools/debian.sh [--soft] PACKAGE..."; exit 2; }
cd "$(dirname "$0")/.."
tools=$(pwd)/.tools

missing=0
give_up() {
    say "tools: $1 cannot be had: $2"
    missing=1
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Impatient: without a network the reason shall be there in seconds.
apt() {
    command=$1
    shift
    timeout 60 "$command" -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=5 -o Acquire::https::Timeout=5 \
        -o APT::Sandbox::User= -o Debug::NoLocking=1 ${lists:+-o "Dir::State::lists=$lists"} \
        -o "Dir::Cache::archives=$tools/packages" -o "Dir::Cache::pkgcache=$tools/packages/index" \
        -o "Dir::Cache::srcpkgcache=$tools/packages/sources" "$@"
}

# The machine's lists, or else lists of our own. The reason of a failure is the last line that apt says.
know() {
    lists=
    if apt apt-get --simulate --no-install-recommends install "$1" >/dev/null 2>&1; then return; fi
    lists=$tools/lists
    mkdir -p "$lists/partial"
    [ -n "$(find "$lists" -name '*Packages*' 2>/dev/null)" ] || apt apt-get update >/dev/null 2>&1 || true
    apt apt-get --simulate --no-install-recommends install "$1" >/dev/null 2>"$tools/reason"
}

reason() { sed -n '/./h; ${x; s/^[EW]: //p;}' "$tools/reason"; }

# What would have to be installed for this package: itself, and those it needs that the machine lacks.
needed() {
    apt apt-get --simulate --no-install-recommends install "$1" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

fetch() {
    mkdir -p "$tools/packages/partial" "$tools/root" "$tools/have"
    know "$1" || { give_up "$1" "$(reason)"; return; }
    for package in $(needed "$1"); do
        rm -f "$tools/packages/${package}"_*.deb
        (cd "$tools/packages" && apt apt-get download "$package") >/dev/null 2>"$tools/reason" ||
            { give_up "$1" "$(reason)"; return; }
        dpkg-deb --extract "$tools/packages/${package}"_*.deb "$tools/root" 2>"$tools/reason" ||
            { give_up "$1" "$(reason)"; return; }
    done
    rm -rf "$tools/packages" "$tools/lists"
    : >"$tools/have/$1"
    say "tools: $1 is below .tools/"
}

for package in "$@"; do
    case $package in
        *[!a-z0-9.+-]* | -*) say "tools: $package is not the name of a package"; exit 2 ;;
    esac
    if [ -e "$tools/have/$package" ]; then continue; fi
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        give_up "$package" "this is no Debian"
    elif ! is_installed "$package"; then
        fetch "$package"
    fi
done
[ "$soft" = yes ] || exit "$missing"
