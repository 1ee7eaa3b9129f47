#!/usr/bin/env python3
"""Synthesises kv_engine for a board, places and routes it, and writes docs/reference/synth.md.

    make synth BOARD=ecp5-85f [SEEDS=3] [JOBS=2]

A board has one or more builds, the wanted one first. Each is synthesised behind
hdl/syn/kv_syn_top.sv; the first that fits is placed and routed once per seed. The others
are recorded as what they need. SEEDS=0 ends after synthesis: areas, no speed. Results are hdl/syn/results/BOARD.json, from which the page
is written; logs and netlists are under build/synth.

Ends with 0 when there are figures, whether or not they reach the targets, and with 1 when
a tool is missing or fails, or no build fits.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import synth_netlist
import synth_page
import synth_tools
from synth_tools import ToolError

ROOT = Path(__file__).resolve().parent.parent
TOP = "kv_syn_top"
FEATURES = ("ECHO", "QUANTIZE", "DEQUANTIZE", "SELECT")
NAMES = synth_tools.features()


def build(lanes, dim, tile, tokens, *features):
    """Parameters of one build of the engine."""
    mask = sum(1 << NAMES.index(f) for f in features)
    return {"Lanes": lanes, "MaxDim": dim, "TileTokens": tile, "MaxTokens": tokens, "Features": mask}


# What a device has is what nextpnr says of it. Targets: MHz is a least, the others a most.
BOARDS = {
    "ecp5-85f": {
        "device": "LFE5U-85F, CABGA756, speed grade 6",
        "synth": "synth_ecp5 -abc9 -nowidelut",
        "pnr": "nextpnr-ecp5",
        "args": ["--85k", "--package", "CABGA756", "--speed", "6", "--lpf-allow-unconstrained"],
        "freq": 125,
        "has": {"sites": 83640, "dsp": 156, "bram": 208},
        "targets": {"mhz": 100, "sites": 15000, "dsp": 40, "bram": 60},
        "builds": [build(8, 256, 128, 4096, *FEATURES)],
    },
    "ecp5-25f": {
        "device": "LFE5U-25F, CABGA381, speed grade 6",
        "synth": "synth_ecp5 -abc9 -nowidelut",
        "pnr": "nextpnr-ecp5",
        "args": ["--25k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"],
        "freq": 100,
        "has": {"sites": 24288, "dsp": 28, "bram": 56},
        "targets": {},
        "builds": [build(4, 256, 128, 4096, *FEATURES), build(4, 128, 128, 4096, *FEATURES)],
    },
    "up5k": {
        "device": "iCE40UP5K, SG48",
        "synth": "synth_ice40 -device u -dsp",
        "pnr": "nextpnr-ice40",
        "args": ["--up5k", "--package", "sg48", "--pcf-allow-unconstrained"],
        "freq": 24,
        "has": {"sites": 5280, "dsp": 8, "bram": 30},
        "targets": {"mhz": 20},
        "builds": [
            build(2, 32, 16, 256, "ECHO", "QUANTIZE", "SELECT"),
            build(2, 32, 16, 256, "QUANTIZE"),
            build(2, 32, 16, 256, "SELECT"),
            build(2, 32, 16, 256, "DEQUANTIZE"),
            build(2, 32, 16, 256, "ECHO", "LINK"),
        ],
    },
}


def sources():
    """The engine's files and the hash that the build's BUILD_HASH register also holds."""
    rtl = Path(os.environ.get("RTL_DIR") or "hdl/rtl")
    files = [str(rtl / f) for f in (ROOT / rtl / "files.f").read_text().split()]
    text = b"".join((ROOT / f).read_bytes() for f in files)
    return files, hashlib.sha256(text).hexdigest()[:8]


def synthesise(yosys, board, params, files, rtl_hash, out):
    """The netlist of one build; kept if nothing that it is made of has changed."""
    netlist = out / "netlist.json"
    chparam = " ".join(f"-chparam {k} {v}" for k, v in params.items())
    script = (
        f"read_verilog -sv {' '.join(files)} hdl/syn/{TOP}.sv; "
        f"hierarchy -check -top {TOP} {chparam}; "
        f"{board['synth']} -top {TOP} -json {netlist.relative_to(ROOT)}"
    )
    top = (ROOT / f"hdl/syn/{TOP}.sv").read_bytes()
    made_of = f"{rtl_hash} {hashlib.sha256(top).hexdigest()} {synth_tools.version(yosys)} {board['synth']} {chparam}\n"
    stamp = out / "netlist.stamp"
    if not (netlist.exists() and stamp.exists() and stamp.read_text() == made_of):
        print(f"synth: {board['synth']} {chparam}", file=sys.stderr)
        stamp.unlink(missing_ok=True)
        synth_tools.run([*yosys, "-q", "-l", str(out / "messages.log"), "-p", script], out / "yosys.log", "yosys")
        stamp.write_text(made_of)
    return netlist


def needs(board, total):
    """Sites, multipliers and memories: a carry cell of the ECP5 takes two LUTs, a small memory four.

    In the iCE40 a carry shares its site with a LUT, and so does a flip-flop: there the
    count is a lower bound.
    """
    sites = total["lut"]
    if board["pnr"] == "nextpnr-ecp5":
        sites += 2 * total["carry"] + 4 * total["dpr"]
    return {"sites": sites, "dsp": total["dsp"], "bram": total["bram"]}


def pack(pnr, board, netlist, out):
    """What a build needs as nextpnr packs it: on the iCE40 the cells of Yosys do not tell."""
    log = out / "pack.log"
    command = [*pnr, *board["args"], "--json", str(netlist.relative_to(ROOT)), "--pack-only"]
    synth_tools.run(command, log, f"{board['pnr']}, packing")
    return synth_netlist.packed(log)


def place(pnr, board, netlist, seed, out):
    """Places and routes one seed."""
    report = out / f"seed{seed}.json"
    command = [*pnr, *board["args"], "--json", str(netlist.relative_to(ROOT)), "--freq", str(board["freq"]),
               "--seed", str(seed), "--timing-allow-fail", "--report", str(report.relative_to(ROOT))]
    report.unlink(missing_ok=True)
    synth_tools.run(command, out / f"seed{seed}.log", f"{board['pnr']}, seed {seed}")
    result = dict(seed=seed, **synth_netlist.timing(report))
    print(f"synth: seed {seed}: {result['mhz']} MHz", file=sys.stderr)
    return result


def measure(name, seeds, jobs, prefer_pinned):
    """Everything the page says of one board."""
    board = BOARDS[name]
    yosys = synth_tools.find("yosys", ROOT, prefer_pinned)
    pnr = synth_tools.find(board["pnr"], ROOT, prefer_pinned)
    tools = {"yosys": synth_tools.version(yosys), board["pnr"]: synth_tools.version(pnr)}
    files, rtl_hash = sources()
    result = {
        "schema_version": 1, "board": name, "device": board["device"], "rtl": rtl_hash, "tools": tools,
        "synth": board["synth"], "args": board["args"], "freq": board["freq"], "has": board["has"],
        "targets": board["targets"], "builds": [],
    }
    for i, params in enumerate(board["builds"]):
        out = ROOT / "build/synth" / f"{name}-{i}"
        out.mkdir(parents=True, exist_ok=True)
        netlist = synthesise(yosys, board, params, files, rtl_hash, out)
        rows = synth_netlist.area(netlist, TOP)
        area = synth_netlist.tree(rows)
        need = needs(board, area["u_engine"])
        if board["pnr"] == "nextpnr-ice40":
            need = pack(pnr, board, netlist, out)
        entry = {"params": params, "needs": need, "area": area, "seeds": []}
        result["builds"].append(entry)
        over = {k: v for k, v in need.items() if v > board["has"][k]}
        if over:
            print(f"synth: {params} does not fit: {over} of {board['has']}", file=sys.stderr)
            continue
        if not seeds:
            return result
        with ThreadPoolExecutor(jobs) as pool:
            runs = [pool.submit(place, pnr, board, netlist, s, out) for s in range(1, seeds + 1)]
        try:
            entry["seeds"] = [r.result() for r in runs]
        except ToolError as e:
            entry["error"] = str(e).split(" (see ")[0]
            need["sites"] = synth_netlist.packed(out / "seed1.log")["sites"] or need["sites"]
            print(f"synth: {e}", file=sys.stderr)
            continue
        speeds = [s["mhz"] for s in entry["seeds"]]
        entry["mhz"] = {"median": round(statistics.median(speeds), 2), "best": max(speeds)}
        return result
    raise ToolError(f"no build fits {name}: " + "; ".join(str(b["needs"]) for b in result["builds"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("board", choices=sorted(BOARDS), help="what to synthesise for")
    parser.add_argument("--seeds", type=int, default=3, help="how often to place and route (3); 0 synthesises only")
    parser.add_argument("--jobs", type=int, default=2, help="how many of them at once (2)")
    parser.add_argument("--pinned", action="store_true", help="the packages of hdl/syn/requirements.txt, whatever is installed")
    args = parser.parse_args()
    if args.seeds < 0 or args.jobs < 1:
        parser.error("--seeds has to be at least 0 and --jobs at least 1")
    os.chdir(ROOT)
    results = ROOT / "hdl/syn/results"
    try:
        result = measure(args.board, args.seeds, args.jobs, args.pinned)
    except ToolError as e:
        print(f"synth: {e}", file=sys.stderr)
        return 1
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{args.board}.json").write_text(json.dumps(result, indent=1) + "\n")
    page = synth_page.write(ROOT, list(BOARDS))
    print(synth_page.summary(result), f"written: {page.relative_to(ROOT)}", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
