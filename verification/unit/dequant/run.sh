#!/bin/sh
# Builds and runs the stream bench of kv_dequant for every number of lanes: run.sh [TILES [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl
# lanes, MaxDim, TileTokens, payload FIFO depth (ceilPow2(MaxDim/L + 8 HB + 16))
for set in "8 256 128 64" "2 64 32 128" "4 128 64 128" "16 512 256 64" "16 32 16 32" "8 32 256 64"; do
  IFS=' ' read -r lanes dim tile depth <<END
$set
END
  out=$root/build/unit/dequant/l$lanes-d$dim-t$tile
  mkdir -p "$out"
  verilator --cc --exe --build -O3 --x-assign unique --x-initial unique --assert \
    -GLanes="$lanes" -GMaxDim="$dim" -GTileTokens="$tile" -GPayloadDepth="$depth" \
    -CFLAGS "-O2 -DLANES=$lanes -DMAXDIM=$dim -DTILE=$tile -DDEPTH=$depth" \
    --Mdir "$out" --top-module kv_dequant -o bench \
    "$rtl/kv_pkg.sv" "$rtl/kv_ram_1r1w.sv" "$rtl/kv_fifo.sv" "$rtl/kv_fp16_clean.sv" \
    "$rtl/kv_quant_part.sv" "$rtl/kv_dequant_load.sv" "$rtl/kv_dequant_issue.sv" "$rtl/kv_dequant_unpack.sv" \
    "$rtl/kv_dequant_normal.sv" "$rtl/kv_dequant_lane.sv" "$rtl/kv_dequant_items.sv" "$rtl/kv_dequant.sv" "$here/dequant.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "${1:-300}" "${2:-1}"
done
