#!/bin/sh
# Builds and runs the stream bench of kv_quant for every number of lanes: run.sh [TILES [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl
# lanes, MaxDim, TileTokens, with the hooks of COMPRESS
for set in "8 256 128 0" "2 64 32 1" "4 128 64 1" "16 512 256 0" "16 32 16 1" "8 32 256 1"; do
  IFS=' ' read -r lanes dim tile compress <<END
$set
END
  out=$root/build/unit/quant/l$lanes-d$dim-t$tile
  mkdir -p "$out"
  verilator --cc --exe --build -O3 --x-assign unique --x-initial unique --assert \
    -GCompress="1'b$compress" -GLanes="$lanes" -GMaxDim="$dim" -GTileTokens="$tile" \
    -CFLAGS "-O2 -DLANES=$lanes -DMAXDIM=$dim -DTILE=$tile" \
    --Mdir "$out" --top-module kv_quant -o bench \
    "$rtl/kv_pkg.sv" "$rtl/kv_ram_1r1w.sv" "$rtl/kv_fp16_clean.sv" "$rtl"/kv_quant*.sv \
    "$here/quant.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "${1:-300}" "${2:-1}"
done
