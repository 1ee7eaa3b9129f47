#!/bin/sh
# Builds and runs the bench of kv_rotate for every number of lanes: run.sh [PACKETS [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl
# lanes, MaxDim
for set in "8 256" "2 256" "4 128" "16 512" "16 32" "2 64" "8 32"; do
  IFS=' ' read -r lanes dim <<END
$set
END
  out=$root/build/unit/rotate/l$lanes-d$dim
  mkdir -p "$out"
  verilator --cc --exe --build -O3 -Wall --x-assign unique --x-initial unique --assert \
    -GLanes="$lanes" -GMaxDim="$dim" -CFLAGS "-O2 -DLANES=$lanes -DMAXDIM=$dim" \
    --Mdir "$out" --top-module kv_rotate -o bench \
    "$rtl/kv_pkg.sv" "$rtl/kv_fp16_clean.sv" "$rtl"/kv_rotate*.sv "$here/rotate.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "${1:-3000}" "${2:-1}"
done
