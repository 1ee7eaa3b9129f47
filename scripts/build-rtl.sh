#!/usr/bin/env bash
# Builds the Verilated engine (kv_rtl) for one parameter set, unless it is already
# built from the same sources, and prints nothing but what it builds.
#
#   scripts/build-rtl.sh [trace]
#
# Variables: LANES MAX_DIM TILE_TOKENS MAX_TOKENS FEATURES  the engine's parameters
#            RTL_DIR    its sources, listed in files.f         (hdl/rtl)
#            RTL_OUT    where builds go                        (build/rtl)
#            RTL_OPT    C++ optimisation                       (-O3)
#            RTL_COVERAGE  if not empty: counts lines, branches and toggles, for verification/coverage
#            VERILATOR  the program                            (verilator)
#
# The result is RTL_OUT/l8-d256-t128-n4096[-fMASK]/kv_rtl, or kv_rtl_trace, which can
# write a waveform. Several builds may run at once, also of the same thing.
set -euo pipefail
cd "$(dirname "$0")/.."

lanes=${LANES:-8} max_dim=${MAX_DIM:-256} tile_tokens=${TILE_TOKENS:-128} max_tokens=${MAX_TOKENS:-4096}
rtl=${RTL_DIR:-hdl/rtl} opt=${RTL_OPT:--O3} verilator=${VERILATOR:-verilator}

all=$(((1 << $(grep -c 'int unsigned FEAT_' "$rtl/kv_pkg.sv")) - 1))
features=$((${FEATURES:-$all}))

name=l$lanes-d$max_dim-t$tile_tokens-n$max_tokens
[ "$features" = "$all" ] || name=$name-f$features
program=kv_rtl
trace=()
if [ "${1:-}" = trace ]; then
  program=kv_rtl_trace
  trace=(--trace-fst --trace-structs)
fi
slow=-O1
if [ -n "${RTL_COVERAGE:-}" ]; then
  trace+=(--coverage)
  slow=-O0 # there is a counter behind every line
fi
dir=${RTL_OUT:-build/rtl}/$name

sources=(verification/harness/kv_tap.sv verification/harness/*.hpp verification/harness/main.cpp scripts/build-rtl.sh)
mapfile -t files < <(sed "s|^|$rtl/|" "$rtl/files.f")
build_hash=$(cat "${files[@]}" | sha256sum | cut -c1-8)
stamp=$(
  { echo "$build_hash $opt $name ${trace[*]-}"; cat "${sources[@]}"; "$verilator" --version; } | sha256sum
)

mkdir -p "$dir"
exec 9>"$dir/$program.lock"
flock 9
if [ -x "$dir/$program" ] && [ "$(cat "$dir/$program.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi

echo "building $dir/$program" >&2
work=$dir/$program.obj
rm -rf "$work"
"$verilator" --cc --exe --build -j 0 --top-module kv_tap --prefix Vkv --Mdir "$work" -o "$program" \
  -O3 --x-assign unique --x-initial unique --assert -Wno-fatal "${trace[@]}" \
  -GLanes="$lanes" -GMaxDim="$max_dim" -GTileTokens="$tile_tokens" -GMaxTokens="$max_tokens" \
  -GFeatures="32'd$features" -GBuildHash="32'h$build_hash" \
  -CFLAGS "-std=c++17 -Wall -Wextra -I$PWD/verification/harness" \
  -CFLAGS "-DKV_LANES=$lanes -DKV_MAX_DIM=$max_dim -DKV_TILE_TOKENS=$tile_tokens -DKV_MAX_TOKENS=$max_tokens" \
  -CFLAGS "-DKV_FEATURES=$features -DKV_BUILD_HASH=0x$build_hash" \
  -MAKEFLAGS "OPT_FAST=$opt OPT_SLOW=$slow OPT_GLOBAL=$opt" \
  "${files[@]}" verification/harness/kv_tap.sv "$PWD/verification/harness/main.cpp" >"$dir/$program.log" 2>&1 || {
  cat "$dir/$program.log" >&2
  exit 1
}
mv "$work/$program" "$dir/$program"
echo "$stamp" >"$dir/$program.stamp"
rm -rf "$work"
