"""Reads what Yosys and nextpnr wrote: cells by instance, used sites, speed, critical path.

The netlist is flat. Yosys names a cell after the wire it drives or feeds, and a wire keeps
the path of the instance that declared it: so every cell belongs to one instance, and the
table adds up. Logic that was merged across a boundary counts on one side of it.
"""

import json
import re

# The column of each cell type; types that occupy nothing of their own are left out.
COLUMNS = {
    "LUT4": "lut", "SB_LUT4": "lut",
    "CCU2C": "carry", "SB_CARRY": "carry",
    "TRELLIS_DPR16X4": "dpr",
    "TRELLIS_FF": "ff", "kv_enable": "ff",  # whose hierarchy is kept
    "MULT18X18D": "dsp", "SB_MAC16": "dsp",
    "DP16KD": "bram", "SB_RAM40_4K": "bram",
    "SB_SPRAM256KA": "spram",
}
KINDS = ("lut", "carry", "dpr", "ff", "dsp", "bram", "spram")

# Where the name of a wire ends and what Yosys and nextpnr append to it begins.
APPENDED = re.compile(r"(\$|_(?:TRELLIS|LUT4|PFUMX|L6MUX21|CCU2C|DP16KD|MULT18X18D|ALU|SB)_).*|_DI(_.*)?$")


def column(kind):
    if kind.startswith("SB_DFF"):
        return "ff"
    if kind.startswith("SB_RAM40_4K"):
        return "bram"
    return COLUMNS.get(kind)


def instance(cell):
    """The instance a cell of the flat netlist belongs to: names joined by dots.

    Generate blocks are dropped, so that the copies of an array are one row.
    """
    if not cell.startswith("u_engine."):
        return "harness"
    parts = cell.split(".")[:-1]
    last = max(i for i, p in enumerate(parts) if p.startswith("u_"))
    return ".".join(p for p in parts[: last + 1] if p.startswith("u_"))


def area(netlist, top):
    """Cells of each instance without its children: {instance: {column: count}}."""
    with open(netlist) as f:
        cells = json.load(f)["modules"][top]["cells"]
    rows = {}
    for name, cell in cells.items():
        col = column(cell["type"])
        if col is None:
            continue
        row = rows.setdefault(instance(name), dict.fromkeys(KINDS, 0))
        row[col] += 1
    return rows


def tree(rows):
    """The same with the cells of its children in each instance, in the order of the tree."""
    sums = {}
    for name, row in rows.items():
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            into = sums.setdefault(".".join(parts[:depth]), dict.fromkeys(KINDS, 0))
            for kind in KINDS:
                into[kind] += row[kind]

    def below(parent):
        depth = parent.count(".") + 1 if parent else 0
        names = [n for n in sums if n.count(".") == depth and (not parent or n.startswith(parent + "."))]
        for n in sorted(names, key=lambda n: -sums[n]["lut"]):
            yield n
            yield from below(n)

    return {n: sums[n] for n in below("")}


def register(name):
    """The register, memory or multiplier behind a cell or net name."""
    return APPENDED.sub("", re.sub(r"(_DFFLC|_LC|\[\d+\])$", "", name))


def packed(log):
    """Sites, multipliers and memories after packing, from the log of a nextpnr; 0 where it says nothing."""
    with open(log) as f:
        text = f.read()
    kinds = {"sites": "TRELLIS_COMB|ICESTORM_LC", "dsp": "MULT18X18D|ICESTORM_DSP", "bram": "DP16KD|ICESTORM_RAM"}
    found = {k: re.search(rf"\b(?:{v}):\s*(\d+)/", text) for k, v in kinds.items()}
    return {k: int(m[1]) if m else 0 for k, m in found.items()}


def timing(report):
    """Fmax in MHz, used sites and the critical path, from nextpnr's JSON report."""
    with open(report) as f:
        data = json.load(f)
    fmax = min(v["achieved"] for v in data["fmax"].values())
    used = {k: v["used"] for k, v in data["utilization"].items() if v["used"]}
    path = max(
        (p["path"] for p in data["critical_paths"] if p["from"] == p["to"]),
        key=lambda p: sum(s["delay"] for s in p),
    )
    nets = [s["net"] for s in path if s["type"] == "routing" and "net" in s]
    sums = {k: sum(s["delay"] for s in path if (s["type"] == "routing") == (k == "routing")) for k in ("logic", "routing")}
    return {
        "mhz": round(fmax, 2),
        "used": used,
        "path": {
            "from": register(nets[0] if nets else path[0]["from"]["cell"]),
            "to": register(path[-1]["to"]["cell"]),
            "levels": sum(s["type"] == "logic" for s in path),
            "logic_ns": round(sums["logic"], 2),
            "routing_ns": round(sums["routing"], 2),
        },
    }
