"""Finds Yosys and nextpnr for scripts/synth.py.

A variable (YOSYS, NEXTPNR_ECP5, NEXTPNR_ICE40: a command line) comes first, then the
program of the machine, then the pinned packages of hdl/syn/requirements.txt, which are
installed into a virtual environment under build/ the first time they are needed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path


def features():
    """Names of all commands and options, in the order of their bits in Features."""
    package = Path(__file__).resolve().parent.parent / "hdl/rtl/kv_pkg.sv"
    return re.findall(r"int unsigned FEAT_([A-Z_0-9]+) =", package.read_text())


class ToolError(Exception):
    """A tool is missing, or ended with an error."""


def find(name, root, prefer_pinned=False):
    """The command of one tool, as a list; name is yosys, nextpnr-ecp5 or nextpnr-ice40."""
    given = os.environ.get(name.upper().replace("-", "_"))
    if given:
        return shlex.split(given)
    native = shutil.which(name)
    if native and not prefer_pinned:
        return [native]
    return [str(pinned(root) / ("yowasp-" + name))]


def pinned(root):
    """The bin directory of the virtual environment that holds the pinned packages."""
    wanted = root / "hdl/syn/requirements.txt"
    env = root / "build/synth/venv"
    stamp = env / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return env / "bin"
    print("synth: installing the packages of hdl/syn/requirements.txt", file=sys.stderr)
    venv.create(env, with_pip=True, clear=True)
    command = [str(env / "bin/pip"), "install", "--quiet", "--requirement", str(wanted)]
    if subprocess.run(command).returncode:
        raise ToolError("pip could not install hdl/syn/requirements.txt; "
                        "install yosys and nextpnr, or name them in YOSYS and NEXTPNR_ECP5 or NEXTPNR_ICE40")
    shutil.copy(wanted, stamp)
    return env / "bin"


def version(command):
    """What the tool says it is, in one line."""
    flag = "-V" if "yosys" in Path(command[-1]).name else "--version"
    try:
        done = subprocess.run([*command, flag], capture_output=True, text=True)
    except OSError as e:
        raise ToolError(f"{shlex.join(command)}: {e.strerror}") from e
    lines = [s for s in (done.stdout + done.stderr).splitlines() if "ersion" in s or s.startswith("Yosys")]
    if done.returncode or not lines:
        raise ToolError(f"{shlex.join(command)} {flag} names no version")
    text = lines[-1]
    if "(Version " in text:
        text = text.split("(Version ")[1].rstrip(")")
    return text.split(" (")[0].strip().removeprefix("nextpnr-") + (", WebAssembly" if "yowasp" in command[-1] else "")


def run(command, log, what):
    """Runs a command with its output in the file log; an error has the last lines of it."""
    with open(log, "w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = Path(log).read_text(errors="replace").splitlines()
        said = [s for s in lines if "ERROR" in s] or lines[-3:]
        raise ToolError(f"{what}: " + "; ".join(s.strip() for s in said[-3:]) + f" (see {log})")
