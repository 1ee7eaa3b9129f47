#!/usr/bin/env bash
# Verilator's warnings for the engine, all of them errors, for every lane count with
# default, smallest and largest parameters, and for engines with a single command or option.
#
# Variables: RTL_DIR (hdl/rtl), VERILATOR (verilator)
set -euo pipefail
cd "$(dirname "$0")/.."
rtl=${RTL_DIR:-hdl/rtl}
mapfile -t files < <(sed "s|^|$rtl/|" "$rtl/files.f")
failed=0

lint() {
  echo "lint $*"
  "${VERILATOR:-verilator}" --lint-only -Wall --assert --top-module kv_engine "$@" "${files[@]}" || failed=1
}

for lanes in 2 4 8 16; do
  lint -GLanes=$lanes
  lint -GLanes=$lanes -GMaxDim=32 -GTileTokens=16 -GMaxTokens=256
  lint -GLanes=$lanes -GMaxDim=512 -GTileTokens=256 -GMaxTokens=65536
done
for features in 1 2 4 8 32 72 136 264 520 538; do
  lint -GFeatures=$features
done
exit $failed
