#!/bin/sh
# Builds and runs the bench of kv_quant_scale: run.sh [CASES [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
# Without bfloat16, and beside it.
for bf16 in 0 1; do
  out=$root/build/unit/quant_scale/bf16-$bf16
  mkdir -p "$out"
  verilator --cc --exe --build -O3 -Wall --x-assign unique --x-initial unique --assert -GBf16="1'b$bf16" \
    -y "$root/hdl/rtl" -CFLAGS "-O3" --Mdir "$out" --top-module kv_quant_scale -o bench \
    "$root/hdl/rtl/kv_quant_scale.sv" "$here/scale.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "$@"
done
