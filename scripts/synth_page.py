"""Writes docs/reference/synth.md from hdl/syn/results/*.json."""

import json

import synth_tools

FEATURES = synth_tools.features()
SITES = {"TRELLIS_COMB": "LUT4 sites", "ICESTORM_LC": "logic cells"}
NAMES = {
    "ecp5": {"lut": "LUT4", "carry": "CCU2C", "dpr": "DPR16X4", "ff": "FF", "dsp": "MULT18", "bram": "EBR"},
    "ice40": {"lut": "LUT4", "carry": "CARRY", "ff": "FF", "dsp": "MAC16", "bram": "RAM4K", "spram": "SPRAM"},
}
# Instances below this share of the engine's LUTs are not listed.
SMALLEST = 0.01

HEAD = """# Place and route

Written by `make synth`; do not edit. The figures are those of `hdl/syn/results/`.

{summary}

Fmax is after routing: the median and the best of the seeds. "Missed" is said where a target is missed; the targets are those of the
engine's design and are not moved to fit.

How the figures come about:

- The engine is synthesised behind `hdl/syn/kv_syn_top.sv`, four pins: shift registers stand at its ports, so that it fits any
  package and nothing of it is optimised away. Pins are not constrained. What the harness costs is in a row of its own in each area table and
  **not** in the figures above.
- On the ECP5 "LUT4 sites" is what nextpnr occupies (TRELLIS_COMB): LUT4 cells, two for each carry cell (CCU2C), four for each small memory
  (DPR16X4). On the iCE40 a logic cell is a LUT, a flip-flop or both.
- Areas by module: the netlist is flat, and each cell counts for the instance whose wire it is named after. Each row has its children in it;
  copies in a generate loop are one row; instances below {smallest:.0%} of the LUTs are only in their parent. Logic merged across a boundary counts on one side.
- A build that does not fit is given as what it needs: on the iCE40, and where nextpnr came to pack it, as packed, harness included; otherwise
  by the cells of Yosys.
- "RTL" is the start of the SHA-256 of the sources, the same as in the register BUILD_HASH of a Verilated build.
- A seed is one start of the placer. nextpnr is asked for more than the target, and the result may fail that without being refused.
"""


def names(result):
    return NAMES["ecp5" if "ecp5" in result["synth"] else "ice40"]


def describe(params):
    mask = params["Features"]
    built = " ".join(f for i, f in enumerate(FEATURES) if mask >> i & 1)
    return (f"Lanes {params['Lanes']}, MaxDim {params['MaxDim']}, TileTokens {params['TileTokens']}, "
            f"MaxTokens {params['MaxTokens']}, {built}")


def placed(result):
    """The build that was placed and routed: the last one."""
    return result["builds"][-1]


def figures(result):
    """What targets are compared with: the engine without its harness."""
    build = placed(result)
    engine = build["area"]["u_engine"]
    cells = {k: engine[k] for k in ("lut", "ff", "dsp", "bram")}
    if not build["seeds"]:
        name = "logic cells" if "ice40" in result["synth"] else "LUT4 sites"
        return dict(cells, mhz=None, best=None, sites=build["needs"]["sites"], site_name=name)
    used = build["seeds"][0]["used"]
    harness = build["area"].get("harness", {})
    site = next(s for s in SITES if s in used)
    # In a logic cell of the iCE40 the harness's flip-flops are what takes the place.
    spent = max(harness.get("lut", 0), harness.get("ff", 0) if site == "ICESTORM_LC" else 0)
    return dict(cells, mhz=build["mhz"]["median"], best=build["mhz"]["best"],
                sites=used[site] - spent, site_name=SITES[site])


def misses(result):
    """Every target that is missed, with the number."""
    f = figures(result)
    cols = names(result)
    said = []
    for what, target in result["targets"].items():
        name = {"mhz": "Fmax", "sites": f["site_name"]}.get(what, cols.get(what))
        if f[what] is None:
            said.append(f"{name} is not known: synthesised only")
            continue
        bad = f[what] < target if what == "mhz" else f[what] > target
        if bad:
            unit = " MHz" if what == "mhz" else ""
            said.append(f"{name} {f[what]:g}{unit}, wanted {'>=' if what == 'mhz' else '<='} {target}{unit}")
    wanted = result["builds"][0]
    if wanted is not placed(result):
        said.insert(0, f"the wanted build ({describe(wanted['params'])}) does not fit")
    return said


def mhz(value):
    return "-" if value is None else f"{value:.1f}"


def table(head, rows, right=()):
    line = "|" + "|".join("---:" if i in right else "---" for i in range(len(head))) + "|"
    return "\n".join(["| " + " | ".join(head) + " |", line] + ["| " + " | ".join(map(str, r)) + " |" for r in rows])


def summary(result):
    f = figures(result)
    lines = [f"{result['board']}: {describe(placed(result)['params'])}",
             f"  {f['sites']} {f['site_name']}, {f['lut']} LUT4, {f['ff']} FF, {f['dsp']} DSP, {f['bram']} BRAM, "
             f"{mhz(f['mhz'])} MHz (best {mhz(f['best'])})"]
    return "\n".join(lines + [f"  MISSED: {m}" for m in misses(result)])


def unfit(build, result):
    """Why a build is not the one that was placed."""
    has = result["has"]
    sites = "logic cells" if "ice40" in result["synth"] else "LUT4 sites"
    names_of = {"sites": sites, "dsp": names(result)["dsp"], "bram": names(result)["bram"]}
    least = "" if "error" in build or "ice40" in result["synth"] else "at least "
    over = [f"{least if k == 'sites' else ''}{build['needs'][k]} {names_of[k]} (the device has {has[k]})" for k in has if build["needs"][k] > has[k]]
    return ", ".join(over) or "nextpnr: " + build.get("error", "failed")


def area_table(result):
    cols = {k: v for k, v in names(result).items()
            if any(r[k] for r in placed(result)["area"].values())}
    area = placed(result)["area"]
    least = SMALLEST * area["u_engine"]["lut"]
    rows = []
    for name, row in area.items():
        if row["lut"] < least and not row["dsp"] and name != "harness":
            continue
        parts = name.split(".")
        label = "&nbsp;" * 4 * (len(parts) - 1) + f"`{parts[-1]}`"
        rows.append([label] + [row[k] or "" for k in cols])
    return table(["instance", *cols.values()], rows, right=range(1, 1 + len(cols)))


def section(result):
    build = placed(result)
    wanted = result["builds"][0]
    out = [f"## {result['board']}", "",
           f"{result['device']}. {describe(build['params'])}. RTL `{result['rtl']}`. "
           + ", ".join(f"{k} {v.removeprefix('Yosys ')}" for k, v in result["tools"].items()) + ".", "",
           "```", f"make synth BOARD={result['board']} SEEDS={len(build['seeds'])}",
           f"# {result['synth']}; {next(t for t in result['tools'] if t != 'yosys')} {' '.join(result['args'])} --freq {result['freq']}",
           "```", ""]
    missed = misses(result)
    out += [f"- {'**Missed:** ' if 'not known' not in m else ''}{m}." for m in missed] or (["Every target is met."] if result["targets"] else [])
    for b in result["builds"][:-1]:
        out.append(f"- Not placed: {describe(b['params'])}, which needs {unfit(b, result)}.")
    if not build["seeds"]:
        return "\n".join(out + ["", "Synthesised, not placed and routed.", "", area_table(result), ""])
    out += ["", "| seed | MHz | from | to | logic steps | logic ns | routing ns |", "|---:|---:|---|---|---:|---:|---:|"]
    for s in build["seeds"]:
        p = s["path"]
        short = [n.replace("u_engine.", "", 1) for n in (p["from"], p["to"])]
        out.append(f"| {s['seed']} | {s['mhz']:.2f} | `{short[0]}` | `{short[1]}` | {p['levels']} | {p['logic_ns']:.2f} | {p['routing_ns']:.2f} |")
    used = build["seeds"][0]["used"]
    out += ["", f"Critical path of each seed, below `u_engine`; a logic step is a LUT, a multiplexer or a carry. Used, harness included: "
            + ", ".join(f"{v} {k}" for k, v in sorted(used.items())) + ".", "", area_table(result), ""]
    if wanted is not build:
        out += [f"Area of the wanted build, {describe(wanted['params'])}, synthesised only:", "",
                area_table(dict(result, builds=[wanted])), ""]
    return "\n".join(out)


def overview(results, boards):
    rows = []
    for r in results:
        f = figures(r)
        rows.append([f"[{r['board']}](#{r['board']})", describe(placed(r)["params"]), f"{f['sites']} {f['site_name']}",
                     f["lut"], f["ff"], f["dsp"], f["bram"], mhz(f["mhz"]), mhz(f["best"]),
                     "; ".join(misses(r)) or "none"])
    known = {r["board"] for r in results}
    rows += [[b] + ["no figures yet"] + ["-"] * 7 + ["not known"] for b in boards if b not in known]
    return table(["board", "build", "sites", "LUT4 cells", "FF", "DSP", "block RAM", "MHz, median", "MHz, best", "targets missed"],
                 rows, right=range(3, 9))


def write(root, boards):
    """The page, from the results that there are, in the order of boards."""
    results = []
    for name in boards:
        path = root / "hdl/syn/results" / f"{name}.json"
        if path.exists():
            results.append(json.loads(path.read_text()))
    page = root / "docs/reference/synth.md"
    text = HEAD.format(summary=overview(results, boards), smallest=SMALLEST) + "\n" + "\n".join(section(r) for r in results)
    page.write_text(text.rstrip() + "\n")
    return page
