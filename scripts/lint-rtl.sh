#!/usr/bin/env bash
# Verilator's warnings for the engine, all of them errors, for every lane count and
# for an engine with each command left out.
#
# Variables: RTL_DIR (hdl/rtl), VERILATOR (verilator)
set -euo pipefail
cd "$(dirname "$0")/.."
rtl=${RTL_DIR:-hdl/rtl}
[ -n "$rtl" ] || rtl=hdl/rtl
mapfile -t files < <(sed "s|^|$rtl/|" "$rtl/files.f")

lint() {
  echo "lint $*"
  "${VERILATOR:-verilator}" --lint-only -Wall --assert --top-module kv_engine "$@" "${files[@]}"
}

for lanes in 2 4 8 16; do
  lint -GLanes=$lanes
  lint -GLanes=$lanes -GMaxDim=32 -GTileTokens=16 -GMaxTokens=256
done
lint -GLanes=16 -GMaxDim=512 -GTileTokens=256 -GMaxTokens=65536
for features in 1 2 4 8; do
  lint "-GFeatures=4'd$features"
done
