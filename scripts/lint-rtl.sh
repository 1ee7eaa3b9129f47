#!/usr/bin/env bash
# Verilator's warnings for the engine, all of them errors, for every lane count with
# default, smallest and largest parameters, and for engines with a single command or
# option; then for the link, with each physical side.
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

# The same with the link and each physical side around it.
mapfile -t link < <(sed "s|^|$rtl/link/|" "$rtl/link/files.f")
lint_board() {
  echo "lint kv_board_core $*"
  "${VERILATOR:-verilator}" --lint-only -Wall --assert --top-module kv_board_core "$@" "${files[@]}" "${link[@]}" || failed=1
}

for lanes in 2 4 8 16; do
  lint -GLanes=$lanes
  lint -GLanes=$lanes -GMaxDim=32 -GTileTokens=16 -GMaxTokens=256
  lint -GLanes=$lanes -GMaxDim=512 -GTileTokens=256 -GMaxTokens=65536
done
for features in 1 2 4 8 32 72 136 264 520 538 1026 1028 2050 2052 3071; do
  lint -GFeatures=$features
done
for phy in 0 1 2 3 4; do
  lint_board -GPhy=$phy -GLanes=2 -GMaxDim=32 -GTileTokens=16 -GMaxTokens=256 -GRxSlots=2 -GTxSlots=64
done
for lanes in 4 8 16; do
  lint_board -GLanes=$lanes -GRxSlots=64 -GTxSlots=2 -GRetryLog2=8
done
exit $failed
