#!/bin/sh
# Builds and runs the bench of kv_quant_lane: run.sh [CASES [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$root/build/unit/quant_lane
mkdir -p "$out"
verilator --cc --exe --build -O3 -Wall --x-assign unique --x-initial unique --assert \
  -y "$root/hdl/rtl" -CFLAGS "-O3" --Mdir "$out" --top-module quant_lane_bench -o bench \
  "$root/hdl/rtl/kv_quant_recip.sv" "$root/hdl/rtl/kv_quant_lane.sv" \
  "$here/quant_lane_bench.sv" "$here/lane.cpp" >"$out/build.log" 2>&1 ||
  { cat "$out/build.log"; exit 1; }
exec "$out/bench" "$@"
