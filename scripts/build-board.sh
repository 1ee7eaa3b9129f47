#!/usr/bin/env bash
# Builds a Verilated board (kv_board: engine, link and physical side behind standard input and output), unless it is
# already built from the same sources, and prints its path.
#
#   scripts/build-board.sh PHY        bytes, uart, ft245, ft600 or ft601
#
# Variables: LANES MAX_DIM TILE_TOKENS MAX_TOKENS FEATURES  the engine's parameters
#            CLOCK_HZ BAUD         of the board             (50000000, 12000000)
#            RX_SLOTS TX_SLOTS     the link's windows       (8, 8)
#            RETRY_LOG2            its timeout, in cycles   (15)
#            BOARD_ID              what HELLO tells         (0xffff0002: the RTL, simulated; docs/link.md)
#            RTL_DIR               the sources              (hdl/rtl)
#            BOARD_OUT             where builds go          (build/board)
#            VERILATOR             the program              (verilator)
#
# The result is BOARD_OUT/PHY-l8-d256-t128-n4096[-fMASK]/kv_board; other variables give one of another name (-x and a hash).
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
bytes) phy=0 ;; uart) phy=1 ;; ft245) phy=2 ;; ft600) phy=3 ;; ft601) phy=4 ;;
*) echo "build-board.sh: want bytes, uart, ft245, ft600 or ft601, not \"${1:-}\"" >&2; exit 2 ;;
esac
lanes=${LANES:-8} max_dim=${MAX_DIM:-256} tile_tokens=${TILE_TOKENS:-128} max_tokens=${MAX_TOKENS:-4096}
all=$(((1 << $(grep -c 'int unsigned FEAT_' "${RTL_DIR:-hdl/rtl}/kv_pkg.sv")) - 1))
features=$((${FEATURES:-$all}))
clock=${CLOCK_HZ:-50000000} baud=${BAUD:-12000000} rx=${RX_SLOTS:-8} tx=${TX_SLOTS:-8} retry=${RETRY_LOG2:-15}
board=$((${BOARD_ID:-0xffff0002}))
rtl=${RTL_DIR:-hdl/rtl} verilator=${VERILATOR:-verilator}

name=$1-l$lanes-d$max_dim-t$tile_tokens-n$max_tokens
[ "$features" = "$all" ] || name=$name-f$features
rest="$clock $baud $rx $tx $retry $board"
[ "$rest" = "50000000 12000000 8 8 15 4294901762" ] || name=$name-x$(echo "$rest" | sha256sum | cut -c1-6)
dir=${BOARD_OUT:-build/board}/$name

mapfile -t engine < <(sed "s|^|$rtl/|" "$rtl/files.f")
mapfile -t link < <(sed "s|^|$rtl/link/|" "$rtl/link/files.f")
sources=(verification/link/board/*.hpp verification/link/board/main.cpp scripts/build-board.sh)
# The engine's own hash, so that a board's BUILD_HASH is that of rtl: from the same sources.
build_hash=$(cat "${engine[@]}" | sha256sum | cut -c1-8)
stamp=$({ echo "$build_hash $name"; cat "${link[@]}" "${sources[@]}"; "$verilator" --version; } | sha256sum)

mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
if [ -x "$dir/kv_board" ] && [ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "$dir/kv_board"
  exit 0
fi

echo "building $dir/kv_board" >&2
work=$dir/obj
rm -rf "$work"
"$verilator" --cc --exe --build -j 0 --top-module kv_board_core --prefix Vboard --Mdir "$work" -o kv_board \
  -O3 --x-assign unique --x-initial unique --assert -Wno-fatal \
  -GLanes="$lanes" -GMaxDim="$max_dim" -GTileTokens="$tile_tokens" -GMaxTokens="$max_tokens" \
  -GFeatures="32'd$features" -GBuildHash="32'h$build_hash" -GPhy="$phy" -GClockHz="32'd$clock" -GBaud="32'd$baud" \
  -GRxSlots="$rx" -GTxSlots="$tx" -GRetryLog2="$retry" -GBoardId="32'd$board" \
  -CFLAGS "-std=c++17 -Wall -Wextra -I$PWD/verification/link/board" \
  -CFLAGS "-DKV_PHY=$phy -DKV_CLOCK_HZ=$clock -DKV_BAUD=$baud" \
  -MAKEFLAGS "OPT_FAST=-O2 OPT_SLOW=-O1 OPT_GLOBAL=-O2" \
  "${engine[@]}" "${link[@]}" "$PWD/verification/link/board/main.cpp" >"$dir/log" 2>&1 || {
  cat "$dir/log" >&2
  exit 1
}
mv "$work/kv_board" "$dir/kv_board"
echo "$stamp" >"$dir/stamp"
rm -rf "$work"
echo "$dir/kv_board"
