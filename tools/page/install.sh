#!/usr/bin/env bash
# Install the libraries of package-lock.json into build/page, unless they are there; with a folder
# as $1, put what the live page serves of them there, licences included.
set -euo pipefail
cd "$(dirname "$0")/../.."
lock=tools/page/package-lock.json
cache=build/page
mkdir -p "$cache"
# Several tests may ask for it at once.
exec 9> "$cache/.lock"
flock 9
if ! cmp -s "$lock" "$cache/installed.json"; then
    cp tools/page/package.json "$lock" "$cache/"
    # npm checks each package against its hash in the lock; none may run scripts of its own.
    npm ci --prefix "$cache" --ignore-scripts --no-audit --no-fund --silent
    cp "$lock" "$cache/installed.json"
fi
[ $# -gt 0 ] || exit 0
rm -rf "$1/uplot"
mkdir -p "$1/uplot"
uplot=$cache/node_modules/uplot
cp "$uplot/dist/uPlot.esm.js" "$uplot/dist/uPlot.min.css" "$1/uplot/"
cp "$uplot/LICENSE" "$1/uplot/LICENSE.txt"
