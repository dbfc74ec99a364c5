#!/usr/bin/env bash
# Build unmodified MicroPython for the Raspberry Pi Pico from Debian's source packages alone.
#   build_firmware.sh OUT.uf2
# The packages come from Debian 13 (trixie) through a private apt configuration that Debian's own
# keyring verifies; nothing of this machine's apt is touched. Debian 12's compiler builds them.
set -euo pipefail

suite=trixie
version=1.25.0
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# The same octets every time: the firmware carries its date, and its tables of pins come from sets.
export SOURCE_DATE_EPOCH=1750000000 PYTHONHASHSEED=0

[ $# = 1 ] || { echo "usage: $0 OUT.uf2" >&2; exit 2; }
out=$(realpath -m "$1")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/msgin5g-firmware.XXXXXX")
log=$work/log
trap 'rm -rf "$work"' EXIT

step=0
say() { step=$((step + 1)); printf 'firmware %d/7: %s\n' "$step" "$*"; }
fail() { printf 'firmware: %s\n' "$*" >&2; exit 1; }

# Run a command quietly; show the end of what it said if it fails.
quietly() {
    "$@" > "$log" 2>&1 || { tail -n 25 "$log" >&2; fail "this failed: $*"; }
}

# package: a program or file that shows that it is there
declare -A wanted=(
    [gcc-arm-none-eabi]=/usr/bin/arm-none-eabi-gcc
    [libnewlib-arm-none-eabi]=/usr/include/newlib/stdlib.h
    [cmake]=/usr/bin/cmake
    [make]=/usr/bin/make
    [gcc]=/usr/bin/gcc
    [libc6-dev]=/usr/include/stdio.h
    [python3]=/usr/bin/python3
    [xz-utils]=/usr/bin/xz
    [bzip2]=/usr/bin/bzip2
    [debian-archive-keyring]=$keyring
)
missing=()
for package in "${!wanted[@]}"; do
    [ -e "${wanted[$package]}" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    command -v apt-get > /dev/null || fail "this needs Debian's packages ${missing[*]}"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null ||
            fail "these packages are missing; as root, type: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    quietly "${as_root[@]}" apt-get update -qq
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}"
else
    say "compiler and tools are there"
fi

say "sources of Debian $suite, verified by $(basename "$keyring")"
# The mirror that this machine uses already, if it has one of Debian.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 2> /dev/null | grep '/debian/$' | head -n 1 || true)
mirror=${mirror:-http://deb.debian.org/debian/}
mkdir -p "$work"/{lists/partial,cache/archives/partial,packages,unpacked,micropython}
for kind in deb deb-src; do
    echo "$kind [signed-by=$keyring] $mirror $suite main"
done > "$work/sources.list"
private=(
    -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none
)
cd "$work/packages"
quietly apt-get "${private[@]}" update -qq
quietly apt-get "${private[@]}" download -qq pico-sdk-source/$suite tinyusb-source/$suite
for source in mbedtls micropython; do
    quietly apt-get "${private[@]}" source -qq --download-only -t $suite $source/$suite
done
ls micropython_"$version"*.orig.tar.* > /dev/null 2>&1 ||
    fail "Debian $suite has another MicroPython than $version: $(ls micropython_*.dsc)"

say "unpacking"
for package in *.deb; do
    dpkg-deb -x "$package" "$work/unpacked"
done
cd "$work/micropython"
tar xf "$work"/packages/micropython_*.orig.tar.* --strip-components=1
rm -rf lib/{pico-sdk,tinyusb,mbedtls,micropython-lib}
cp -r "$work"/unpacked/usr/src/{pico-sdk,tinyusb} lib/
mkdir lib/mbedtls lib/micropython-lib
tar xf "$work"/packages/mbedtls_*.orig.tar.* -C lib/mbedtls --strip-components=1
# Debian leaves micropython-lib out: the board's manifest without its three drivers (onewire, dht,
# neopixel). MicroPython's build looks for the README only.
touch lib/micropython-lib/README.md
cat > "$work/manifest.py" << 'END'
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
END

say "compiling mpy-cross"
quietly make -C mpy-cross -j"$(nproc)"

say "configuring RPI_PICO"
# One file of the SDK that is not used wants C++'s library, which is 300 MB: stubs are enough.
mkdir "$work/stubs"
echo '#include <stdlib.h>' > "$work/stubs/cstdlib"
echo '#include <assert.h>' > "$work/stubs/cassert"
quietly arm-none-eabi-ar rc "$work/stubs/libstdc++.a"
cd ports/rp2
# No picotool: Debian 13's does not run on Debian 12, and uf2conv.py below writes the image.
quietly cmake -S . -B build -DMICROPY_BOARD=RPI_PICO -DPICO_NO_PICOTOOL=1 \
    -DMICROPY_FROZEN_MANIFEST="$work/manifest.py" \
    -DCMAKE_CXX_FLAGS="-isystem $work/stubs -DPICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1" \
    -DCMAKE_EXE_LINKER_FLAGS="-L$work/stubs"

say "compiling MicroPython $version on $(nproc) cores, about a minute"
quietly make -C build -j"$(nproc)"

say "writing $out"
mkdir -p "$(dirname "$out")"
quietly python3 ../../tools/uf2conv.py -f 0xe48bff56 -b 0x10000000 -c -o "$work/image" build/firmware.bin
# In one step: whoever looks for the image finds all of it or none.
mv "$work/image" "$out.part"
mv "$out.part" "$out"
sha256sum "$out"
