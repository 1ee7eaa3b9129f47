#!/usr/bin/env python3
"""Builds the bitstream of a board: engine, link and pins.

    make bitstream BOARD=ulx3s-85f [SEEDS=3]

Synthesises hdl/syn/BOARD/kv_top.sv, places and routes it with the pins of that folder, and packs it. nextpnr has to
meet the board's clock: seeds are tried one after the other, at most SEEDS, until one does; otherwise
there is no bitstream. The result is build/bitstream/BOARD/BOARD.bit (ECP5) or .bin (iCE40), with BOARD.json beside it: what the
build is, so that `kvaccel flash` can tell it from others. The build hash (the start of the SHA-256 of all sources of the
bitstream) reads back in BUILD_HASH and stands, with the board's name and SPEC_ID, in the comment at the start of
the file; of an ECP5 it is also the USERCODE.

Figures go to hdl/syn/results/board-BOARD.json and from there to docs/reference/bitstreams.md.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import synth_tools
from synth_tools import ToolError

ROOT = Path(__file__).resolve().parent.parent
ECP5 = {
    "pnr": "nextpnr-ecp5", "synth": "synth_ecp5 -abc9 -nowidelut", "library": "+/ecp5/cells_sim.v +/ecp5/cells_bb.v", "pins": "pins.lpf", "pins_option": "--lpf",
    "output_option": "--textcfg", "output": "config", "suffix": "bit", "pack": "ecppack", "shared": ["hdl/syn/kv_board_reset.sv", "hdl/syn/kv_board_uart.sv", "hdl/syn/kv_ecp5_pll.sv"],
    "cells": {"logic": "TRELLIS_COMB", "dsp": "MULT18X18D", "bram": "DP16KD"},
}
ICE40 = {
    "pnr": "nextpnr-ice40", "synth": "synth_ice40 -device u -dsp -abc9", "library": "+/ice40/cells_sim.v", "pins": "pins.pcf", "pins_option": "--pcf",
    "output_option": "--asc", "output": "asc", "suffix": "bin", "pack": "icepack", "shared": ["hdl/syn/kv_board_reset.sv", "hdl/syn/kv_board_uart.sv"],
    "cells": {"logic": "ICESTORM_LC", "dsp": "ICESTORM_DSP", "bram": "ICESTORM_RAM"},
}
BOARDS = {
    "ulx3s-85f": {**ECP5, "part": "LFE5U-85F-6BG381C", "idcode": 0x41113043, "mhz": 40,
                  "args": ["--85k", "--package", "CABGA381", "--speed", "6"]},
    "orangecrab-25f": {**ECP5, "part": "LFE5U-25F-8MG285C", "idcode": 0x41111043, "mhz": 48,
                       "args": ["--25k", "--package", "CSFBGA285", "--speed", "8"]},
    "icebreaker": {**ICE40, "part": "iCE40UP5K-SG48", "idcode": None, "mhz": 24,
                   "args": ["--up5k", "--package", "sg48"]},
}


def sources(name, board):
    """All that the bitstream is made of, and its hash."""
    files = [f"hdl/rtl/{f}" for f in (ROOT / "hdl/rtl/files.f").read_text().split()]
    files += [f"hdl/rtl/link/{f}" for f in (ROOT / "hdl/rtl/link/files.f").read_text().split()]
    files += board["shared"] + [f"hdl/syn/{name}/kv_top.sv"]
    made_of = [*files, f"hdl/syn/{name}/{board['pins']}"]
    text = b"".join((ROOT / f).read_bytes() for f in made_of)
    return files, hashlib.sha256(text + " ".join([board["synth"], *board["args"]]).encode()).hexdigest()[:8]


def parameters(name):
    """The engine's parameters, as the board's top states them."""
    text = (ROOT / f"hdl/syn/{name}/kv_top.sv").read_text()
    return {k: int(re.search(rf"\.{k}\((\d+)\)", text)[1]) for k in ("Lanes", "MaxDim", "TileTokens", "MaxTokens", "Features")}


def spec_id():
    text = (ROOT / "hdl/rtl/kv_pkg.sv").read_text()
    return re.search(r"SPEC_ID = 32'h([0-9A-F]{8})", text)[1].lower()


def place(pnr, board, name, netlist, seeds, out):
    """Places and routes until the clock is met; the report and the seed that did it."""
    pins = f"hdl/syn/{name}/{board['pins']}"
    result = out / f"{name}.{board['output']}"
    for seed in range(1, seeds + 1):
        report = out / "report.json"
        command = [*pnr, *board["args"], "--json", str(netlist), board["pins_option"], pins, board["output_option"], str(result),
                   "--report", str(report), "--seed", str(seed), "--freq", str(board["mhz"])]
        print(f"bitstream: {board['pnr']}, seed {seed}", file=sys.stderr)
        try:
            synth_tools.run(command, out / f"seed{seed}.log", f"{board['pnr']}, seed {seed}")
            return json.loads(report.read_text()), seed
        except ToolError as e:
            if seed == seeds or "iming" not in str(e) and "FAIL" not in str(e) and "requency" not in str(e):
                raise
            print(f"bitstream: {e}", file=sys.stderr)
    raise ToolError("SEEDS has to be at least 1")


def build(name, seeds):
    board = BOARDS[name]
    yosys = synth_tools.find("yosys", ROOT)
    # Debian's nextpnr-ecp5 0.7 crashes when it writes what it has routed: the pinned one goes first.
    pnr = synth_tools.find(board["pnr"], ROOT, board["pnr"] == "nextpnr-ecp5")
    pack = synth_tools.find(board["pack"], ROOT)
    files, build_hash = sources(name, board)
    out = Path("build/bitstream") / name
    out.mkdir(parents=True, exist_ok=True)
    netlist = out / "netlist.json"
    script = (f"read_verilog -lib -specify {board['library']}; read_verilog -sv {' '.join(files)}; hierarchy -check -top kv_top -chparam BuildHash {int(build_hash, 16)}; "
              f"{board['synth']} -top kv_top -json {netlist}")
    stamp = out / "netlist.stamp"
    made_of = f"{build_hash} {synth_tools.version(yosys)}\n"
    if not (netlist.exists() and stamp.exists() and stamp.read_text() == made_of):
        print(f"bitstream: {board['synth']}", file=sys.stderr)
        stamp.unlink(missing_ok=True)
        synth_tools.run([*yosys, "-q", "-l", str(out / "messages.log"), "-p", script], out / "yosys.log", "yosys")
        stamp.write_text(made_of)
    report, seed = place(pnr, board, name, netlist, seeds, out)

    text = out / f"{name}.{board['output']}"
    comment = f"kvaccel {name} build {build_hash} spec {spec_id()}"
    lines = text.read_text().splitlines()
    lines = [f".comment {comment}", *(s for s in lines if not s.startswith(".comment"))]
    text.write_text("\n".join(lines) + "\n")
    image = out / f"{name}.{board['suffix']}"
    options = ["--compress", "--usercode", str(int(build_hash, 16))] if board["pack"] == "ecppack" else []
    synth_tools.run([*pack, *options, str(text), str(image)], out / "pack.log", board["pack"])

    clocks = {k: v for k, v in report["fmax"].items()}
    slowest = min(clocks.values(), key=lambda c: c["achieved"] / c["constraint"])
    used = {k: report["utilization"].get(v, {"used": 0, "available": 0}) for k, v in board["cells"].items()}
    about = {
        "schema_version": 1, "board": name, "part": board["part"], "idcode": board["idcode"] and f"{board['idcode']:#010x}",
        "build_hash": build_hash, "spec_id": spec_id(), "params": parameters(name), "file": image.name,
        "bytes": image.stat().st_size, "sha256": hashlib.sha256(image.read_bytes()).hexdigest(),
    }
    (out / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")
    figures = {
        **{k: about[k] for k in ("schema_version", "board", "part", "build_hash", "params", "bytes")},
        "mhz": {"wanted": round(slowest["constraint"], 2), "achieved": round(slowest["achieved"], 2)}, "seed": seed, "used": used,
        "tools": {t: synth_tools.version(c) for t, c in (("yosys", yosys), (board["pnr"], pnr))},
    }
    results = Path("hdl/syn/results")
    (results / f"board-{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    write_page(results)
    print(f"{image}: {about['bytes']} bytes, build {build_hash}, "
          f"{figures['mhz']['achieved']} MHz of {figures['mhz']['wanted']} wanted, seed {seed}")


def write_page(results):
    """docs/reference/bitstreams.md from all results."""
    rows = []
    for name in BOARDS:
        path = results / f"board-{name}.json"
        if not path.exists():
            continue
        r = json.loads(path.read_text())
        p = r["params"]
        used = [f"{v['used']} of {v['available']}" for v in (r["used"][k] for k in ("logic", "dsp", "bram"))]
        names = re.findall(r"int unsigned FEAT_([A-Z_]+) =", Path("hdl/rtl/kv_pkg.sv").read_text())
        features = [f for i, f in enumerate(names) if p["Features"] >> i & 1]
        if len(features) == len(names):
            features = ["all features"]
        tools = ", ".join(f"{k} {v}" for k, v in r["tools"].items())
        rows.append(f"| [{name}](../boards/{name}.md) | {r['part']} | Lanes {p['Lanes']}, MaxDim {p['MaxDim']}, TileTokens {p['TileTokens']}, "
                    f"MaxTokens {p['MaxTokens']}, {' '.join(features)} | {' | '.join(used)} | {r['mhz']['wanted']} | {r['mhz']['achieved']} | "
                    f"{r['bytes']} | `{r['build_hash']}` | {tools}, seed {r['seed']} |")
    page = ["# Bitstreams", "", "Written by `make bitstream BOARD=...`; do not edit. Whole boards: engine, link, physical side, reset and PLL.", "",
            "| board | part | engine | logic cells | DSP | block RAM | MHz, wanted | MHz, reached | bytes | build | tools |",
            "|---|---|---|---:|---:|---:|---:|---:|---:|---|---|", *rows, "",
            "Logic cells are TRELLIS_COMB (LUT4 sites) of an ECP5 and ICESTORM_LC of an iCE40, as nextpnr counts them. The MHz reached are nextpnr's estimate after routing, "
            "for the clock that comes closest to its limit; there is no bitstream when one falls short. None of them has run on a board: see the boards' pages.", ""]
    Path("docs/reference/bitstreams.md").write_text("\n".join(page))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("board", choices=sorted(BOARDS), help="which board")
    parser.add_argument("--seeds", type=int, default=3, help="how many starts of the placer to try at most (3)")
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error("--seeds has to be at least 1")
    os.chdir(ROOT)
    try:
        build(args.board, args.seeds)
    except ToolError as e:
        print(f"bitstream: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
