#!/bin/sh
# Builds and runs the bench of kv_select for every number of lanes: run.sh [COMMANDS [SEED]]
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl
for set in "8 4096" "2 256" "4 1024" "16 256" "16 65536"; do
  IFS=' ' read -r lanes tokens <<END
$set
END
  out=$root/build/unit/select/l$lanes-n$tokens
  mkdir -p "$out"
  verilator --cc --exe --build -O3 --x-assign unique --x-initial unique --assert \
    -GLanes="$lanes" -GMaxTokens="$tokens" \
    -CFLAGS "-O2 -DLANES=$lanes -DTOKENS=$tokens" \
    --Mdir "$out" --top-module kv_select -o bench \
    "$rtl/kv_pkg.sv" "$rtl/kv_ram_1r1w.sv" "$rtl/kv_fp16_clean.sv" "$rtl"/kv_select_*.sv "$rtl/kv_select.sv" \
    "$here/select.cpp" >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "${1:-1000}" "${2:-1}"
done
