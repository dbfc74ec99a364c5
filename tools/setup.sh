#!/usr/bin/env bash
# Make .venv with this project and all it needs; $1 is the stamp file to write at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=$1
python=${PYTHON:-python3}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Install a Debian package if we may, else say what to type.
need() {
    local package=$1
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null ||
        fail "the package $package is missing; type: sudo apt-get install $package"
    say "installing $package"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" > /dev/null
}

command -v "$python" > /dev/null || need python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, this is $("$python" -V); type: make setup PYTHON=python3.12"
"$python" -c 'import ensurepip, venv' 2> /dev/null || need python3-venv

if [ ! -x .venv/bin/pip ]; then
    say "making .venv with $("$python" -V)"
    "$python" -m venv .venv
fi
say "installing the project and what it needs"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' ||
    fail "pip could not install all; is there a way to the package index?"
# The boards' own type stubs: each port in a folder of its own, as they have the same modules.
for stubs in rp2:rp2-rpi-pico-w esp32:esp32-esp32-generic; do
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
        --target ".venv/stubs/${stubs%:*}" "micropython-${stubs#*:}-stubs==1.29.0.post1" ||
        fail "pip could not install the type stubs of MicroPython; is there a way to the package index?"
done
touch "$stamp"
say "ready: .venv/bin/msgin5g --help"
