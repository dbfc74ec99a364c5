#!/usr/bin/env bash
# The Debian packages that the tests need: install what is missing, or say what to type.
set -euo pipefail

# package: a file that shows that it is there
declare -A wanted=(
    [libcoap3-bin]=/usr/share/doc/libcoap3-bin
    [dbus-daemon]=/usr/bin/dbus-daemon
    [strace]=/usr/bin/strace
    [systemd]=/usr/bin/systemd-analyze
    [python3-venv]=/usr/share/doc/python3-venv
    [gcc]=/usr/bin/gcc
    [libc6-dev]=/usr/include/stdio.h
    [nodejs]=/usr/bin/node
    [npm]=/usr/bin/npm
    [tshark]=/usr/bin/tshark
    [chromium]=/usr/bin/chromium
    [chromium-driver]=/usr/bin/chromedriver
    [fonts-dejavu-core]=/usr/share/doc/fonts-dejavu-core
)
missing=()
for package in "${!wanted[@]}"; do
    [ -e "${wanted[$package]}" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    printf 'tests: some need Debian packages that are missing here and fail or are skipped; type:\n' >&2
    printf '  sudo apt-get install %s\n' "${missing[*]}" >&2
    exit 0
fi
printf 'tests: installing %s\n' "${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null
