"""Small sweeps, and what they leave in their folder."""

from lab import Config
from lab.train import sweep

SMALL = Config(train_size=120, val_size=60, hidden_dims=(12, 10), batch_size=20, epochs=3, weight_scale=0.1)
SLOW = SMALL.replace(epochs=200)  # so long that something can happen to it
# Values of each field in which the members of a population may differ.
POPULATIONS = {
    "weight_scale": [0.01, 0.1, 1],
    "learning_rate": [1e-4, 1e-3, 1e-2],
    "reg": [0, 0.1, 1],
    "eps": [1e-8, 1e-3, 1],
    "seed": [0, 1, 2],
}

SCALES = {"weight_scale": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]}


def quietly(grid, base, folder, **settings):
    """In this process, where nothing else is said."""
    return sweep(grid, base, folder, **{"workers": 1, "progress": False} | settings)


def saved(folder):
    return {file: file.stat().st_mtime_ns for file in folder.glob("*.json")}
