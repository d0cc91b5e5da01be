"""Live widgets: the only part of the lab that imports ipywidgets and bqplot."""

from lab.live.by_hand import LayerByHand
from lab.live.explorer import Explorer
from lab.live.graph import BackwardGraph
from lab.live.sweep import Sweep

__all__ = ["BackwardGraph", "Explorer", "LayerByHand", "Sweep"]
