#!/bin/sh
# Builds and runs the bench of kv_dequant_lane: run.sh [CASES]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
out=$root/build/unit/dequant_lane
mkdir -p "$out"
verilator --cc --exe --build -O3 -Wall --x-assign unique --x-initial unique --assert \
  -CFLAGS "-O3" --Mdir "$out" --top-module kv_dequant_lane -o bench \
  "$root/hdl/rtl/kv_dequant_lane.sv" "$here/lane.cpp" >"$out/build.log" 2>&1 ||
  { cat "$out/build.log"; exit 1; }
exec "$out/bench" "$@"
