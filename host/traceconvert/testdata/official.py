"""Makes official.safetensors with the official safetensors library: a cache
with the names transformers' exporters use.

    python3 -m venv venv && venv/bin/pip install safetensors numpy
    venv/bin/python official.py official.safetensors

The test that reads it needs neither Python nor a network.
"""

import sys

import numpy as np
from safetensors.numpy import save_file

tensors = {}
for layer in range(2):
    for i, what in enumerate(["key", "value"]):
        x = np.arange(2 * 5 * 16).reshape(1, 2, 5, 16) / 16 + 100 * layer + 50 * i
        tensors[f"past_key_values.{layer}.{what}"] = x.astype(np.float16)
    tensors[f"layers.{layer}.q"] = np.linspace(-1, 1, 4 * 5 * 16).reshape(1, 4, 5, 16).astype(np.float32)
tensors["tokens"] = np.arange(5, dtype=np.int64)
save_file(tensors, sys.argv[1], metadata={"model": "made", "k_rope": "post", "attention_scale": "0.25"})
