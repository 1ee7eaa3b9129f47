"""Makes and checks files with the official safetensors library.

    python3 -m venv venv && venv/bin/pip install safetensors numpy
    venv/bin/python official.py write official.safetensors   # how the file beside this one was made (safetensors 0.8.0)
    venv/bin/python official.py check FILE                   # reads FILE, made by host/safetensors, and prints what is in it

The tests read official.safetensors; they need neither Python nor a network.
"""

import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def write(path):
    tensors = {
        "half": (np.arange(-12, 12).reshape(2, 3, 4) / 8).astype(np.float16),
        "single": np.array([0.5, -1.0, 65504.0, 1e6, 2.0**-24], dtype=np.float32),
        "whole": np.array([[-1, 2**40], [3, -(2**63)]], dtype=np.int64),
        "bytes": np.arange(7, dtype=np.uint8),
        "scalar": np.array(1.5, dtype=np.float16),
        "empty": np.zeros((0, 4), dtype=np.float16),
    }
    save_file(tensors, path, metadata={"made by": "official library", "unicode": "κ <&> \"quoted\""})


def check(path):
    with safe_open(path, framework="numpy") as f:
        print("metadata", sorted((f.metadata() or {}).items()))
        for name in sorted(f.keys()):
            t = f.get_tensor(name)
            print(name, t.dtype, t.shape, t.reshape(-1)[:8].tolist())


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
