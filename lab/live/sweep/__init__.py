"""The sweep: how far each normalization comes at each value of a setting, live."""

from lab.live.sweep.widget import Sweep

__all__ = ["Sweep"]
