#!/bin/sh
# Installs from Debian's packages what the tests need and this machine lacks:
# Verilator and a C++ compiler for the Verilated engine, Yosys for the proofs, make to
# drive them; libusb for the USB driver; QEMU for the lab, and dfu-util as a peer in it; openFPGALoader.
set -eu

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need make make
need g++ g++
need verilator verilator
need yosys yosys
need pkg-config pkg-config
need qemu-system-x86_64 qemu-system-x86
need dfu-util dfu-util
need openFPGALoader openfpgaloader
need xz xz-utils
pkg-config --exists libusb-1.0 2>/dev/null || missing="$missing libusb-1.0-0-dev"

[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: install these and try again:$missing" >&2
    exit 1
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "setup: installing$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >&2
