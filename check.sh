#!/bin/sh
# Installs what is missing, builds the Verilated engine and runs every test.
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null 2>&1 || { echo "check: Go 1.26 or later is needed: https://go.dev/dl" >&2; exit 1; }
sh scripts/setup.sh
exec make test
