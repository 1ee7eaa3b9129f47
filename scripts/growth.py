#!/usr/bin/env python3
"""How the engine's area grows with its parameters: docs/reference/growth.md, with Yosys alone.

    make growth [SERIES=lanes|positions|tile] [JOBS=2]

Synthesises the engine for an ECP5 with each parameter set of SERIES, behind hdl/syn/kv_syn_top.sv as `make synth` does, and counts
cells. Nothing is placed: a clock rate stands only where `make synth` or `make bitstream` has placed an engine of the
same lanes (hdl/syn/results). Results go to hdl/syn/results/growth.json; netlists that nothing has changed are kept
under build/growth.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import synth
import synth_netlist
import synth_page
import synth_tools

ROOT = synth.ROOT
BOARD = {"synth": "synth_ecp5 -abc9 -nowidelut", "pnr": "nextpnr-ecp5"}
SELECTION = ("SELECT", "POOL", "DECAY", "KEY_NORM", "TIERS")
TILES = ("ECHO", "QUANTIZE", "DEQUANTIZE", "SELECT")
# Series: title, what varies, builds. Lanes, MaxDim, TileTokens, MaxTokens; features (None: all).
SERIES = {
    "lanes": ("Lanes", "Lanes", [(n, 256, 128, 4096, None) for n in (2, 4, 8, 16)]),
    "positions": ("Positions of a SELECT", "MaxTokens", [(8, 32, 16, n, SELECTION) for n in (1024, 2048, 4096, 8192, 16384, 32768)]),
    "tile": ("Tile, for a small part", "tile", [(4, d, t, 4096, TILES) for d, t in ((256, 128), (256, 64), (128, 128), (128, 64), (64, 64))]),
}
# Input beats a cycle of back to back QUANTIZE tiles, worst of all layouts (docs/performance.md, section 1).
BEATS = {2: 0.9988, 4: 0.9985, 8: 0.9981, 16: 0.9971}
PARTS = [("LFE5U-25F", 24288, 28, 56), ("LFE5U-45F", 43848, 72, 108), ("LFE5U-85F", 83640, 156, 208)]


def params(build):
    lanes, dim, tile, tokens, names = build
    mask = sum(1 << i for i, f in enumerate(synth_tools.features()) if names is None or f in names)
    return {"Lanes": lanes, "MaxDim": dim, "TileTokens": tile, "MaxTokens": tokens, "Features": mask}


def point(yosys, p, files, rtl_hash):
    """Cells of one build."""
    out = ROOT / "build/growth" / "-".join(str(v) for v in p.values())
    out.mkdir(parents=True, exist_ok=True)
    netlist = synth.synthesise(yosys, BOARD, p, files, rtl_hash, out)
    total = synth_netlist.tree(synth_netlist.area(netlist, synth.TOP))["u_engine"]
    return {"params": p, "cells": total, "needs": synth.needs(BOARD, total)}


def placed(results):
    """Clock rates after routing, by lanes: (MHz, what was placed)."""
    rates = {}
    for path in sorted(results.glob("*.json")):
        r = json.loads(path.read_text())
        if "used" in r:  # a board
            p, mhz, what = r["params"], r["mhz"]["achieved"], f"{r['board']}, the whole board"
        elif r.get("builds") and r["builds"][-1]["seeds"]:
            p, mhz, what = r["builds"][-1]["params"], r["builds"][-1]["mhz"]["median"], f"{r['board']}, `make synth`"
        else:
            continue
        if "ice" not in path.stem and "up5k" not in path.stem:
            rates.setdefault(p["Lanes"], []).append((mhz, what))
    return rates


def smallest(need):
    """The smallest part that has it all, with a tenth of the logic left for the link and for routing."""
    for name, sites, dsp, bram in PARTS:
        if need["sites"] <= 0.9 * sites and need["dsp"] <= dsp and need["bram"] <= bram:
            return name
    return "none"


def page(results, rates):
    out = ["# How area grows", "", "Written by `make growth`; do not edit. ECP5, Yosys alone: cells of the engine without harness, board and link, nothing placed.", "",
           f"`{BOARD['synth']}`. \"LUT4 sites\" and the other columns are those of [Place and route](synth.md). "
           "The last column is the smallest part that has enough of everything with a tenth of its LUT4 sites left over.", ""]
    for name, (title, varies, _) in SERIES.items():
        result = results.get(name)
        if not result:
            out += [f"## {title}", "", f"No figures yet: `make growth SERIES={name}`.", ""]
            continue
        points = result["points"]
        first = points[0]["params"]
        known = synth_tools.features()
        named = [f for i, f in enumerate(known) if first["Features"] >> i & 1]
        what = "all commands and options" if len(named) == len(known) else " ".join(named)
        same = {"Lanes": "MaxDim 256, TileTokens 128, MaxTokens 4096", "MaxTokens": "Lanes 8", "tile": "Lanes 4, MaxTokens 4096"}[varies]
        out += [f"## {title}", "", f"{same}, {what}. RTL `{result['rtl']}`, {result['tools']['yosys']}.", ""]
        head = ["MaxDim", "TileTokens"] if varies == "tile" else [varies]
        rows = []
        for p in points:
            n, c = p["needs"], p["cells"]
            key = [p["params"]["MaxDim"], p["params"]["TileTokens"]] if varies == "tile" else [p["params"][varies]]
            rows.append([*key, n["sites"], c["lut"], c["ff"], n["dsp"], n["bram"], smallest(n)])
        out += [synth_page.table([*head, "LUT4 sites", "LUT4", "FF", "MULT18", "EBR", "smallest ECP5"], rows, right=range(len(head) + 5)), ""]
    out += ["## Values a second", "", "QUANTIZE takes Lanes values a beat, and the beats a cycle below over back-to-back tiles ([Performance](../performance.md)); DEQUANTIZE and COMPRESS are within half a percent. "
            "Clock rates are those of what has been placed and routed, whose other parameters are smaller (see there).", ""]
    rows = []
    for lanes, beats in BEATS.items():
        values = lanes * beats
        for mhz, what in rates.get(lanes, [(None, "not placed")]):
            rows.append([lanes, f"{beats:.4f}", f"{values:.2f}", "-" if mhz is None else f"{mhz:.1f}", "-" if mhz is None else f"{values * mhz / 1000:.2f}", what])
    out += [synth_page.table(["lanes", "beats a cycle", "values a cycle", "MHz", "10^9 values a second", "placed"], rows, right=range(5)), ""]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--series", choices=[*SERIES, ""], default="", help="only that one; the others keep the figures they have")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs of Yosys at once (2)")
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error("--jobs has to be at least 1")
    os.chdir(ROOT)
    where = ROOT / "hdl/syn/results/growth.json"
    results = json.loads(where.read_text())["series"] if where.exists() else {}
    try:
        yosys = synth_tools.find("yosys", ROOT)
        tools = {"yosys": synth_tools.version(yosys)}
        files, rtl_hash = synth.sources()
        for name in [args.series] if args.series else SERIES:
            with ThreadPoolExecutor(args.jobs) as pool:
                points = list(pool.map(lambda b: point(yosys, params(b), files, rtl_hash), SERIES[name][2]))
            results[name] = {"rtl": rtl_hash, "tools": tools, "points": points}
            where.write_text(json.dumps({"schema_version": 1, "series": results}, indent=1) + "\n")
    except synth_tools.ToolError as e:
        print(f"growth: {e}", file=sys.stderr)
        return 1
    out = ROOT / "docs/reference/growth.md"
    out.write_text(page(results, placed(where.parent)).rstrip() + "\n")
    print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
