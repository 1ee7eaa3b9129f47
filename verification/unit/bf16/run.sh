#!/bin/sh
# Builds and runs the benches of kv_quant_scale, kv_quant_lane and kv_dequant_lane with bfloat16: run.sh [CASES [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl

bench() { # name, top, files
  name=$1 top=$2
  shift 2
  out=$root/build/unit/bf16/$name
  mkdir -p "$out"
  verilator --cc --exe --build -O3 -Wall --x-assign unique --x-initial unique --assert -GBf16="1'b1" \
    -y "$rtl" -CFLAGS "-O2 -std=c++17 -I$here" --Mdir "$out" --top-module "$top" -o bench "$@" "$here/$name.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
}

bench scale kv_quant_scale "$rtl/kv_quant_scale.sv"
bench lane quant_lane_bench "$here/../quant_lane/quant_lane_bench.sv"
bench dequant kv_dequant_lane "$rtl/kv_dequant_lane.sv"
for name in scale lane dequant; do "$root/build/unit/bf16/$name/bench" "$@"; done
