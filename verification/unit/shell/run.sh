#!/bin/sh
# Builds and runs the bench of the shell, front, back and registers for every number of
# lanes: run.sh [ROUNDS [SEED]]. FEATURES (default 1: ECHO alone) is the build's mask.
set -e
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
rtl=$root/hdl/rtl
features=${FEATURES:-1}
spec=0x$(sed -n "s/.*SPEC_ID = 32'h\([0-9A-F]*\);.*/\1/p" "$rtl/kv_pkg.sv")
for lanes in 2 4 8 16; do
  out=$root/build/unit/shell/l$lanes-f$features
  mkdir -p "$out"
  (cd "$rtl" && verilator --cc --exe --build -O3 --x-assign unique --x-initial unique --assert \
    -GLanes="$lanes" -GMaxDim=64 -GTileTokens=32 -GMaxTokens=256 -GFeatures="$features" "-GBuildHash=32'h1234ABCD" \
    -CFLAGS "-O2 -std=c++17 -DLANES=$lanes -DFEATURES=$features -DSPEC_ID=$spec" \
    --Mdir "$out" --top-module kv_engine -o bench $(cat files.f) "$here/shell.cpp") >"$out/build.log" 2>&1 ||
    { cat "$out/build.log"; exit 1; }
  "$out/bench" "${1:-1000}" "${2:-1}"
done
