"""Live widgets: the only part of the lab that imports ipywidgets and bqplot."""

from lab.live.explorer import Explorer
from lab.live.lessons import BackwardGraph, LayerByHand
from lab.live.sweep import Sweep

__all__ = ["BackwardGraph", "Explorer", "LayerByHand", "Sweep"]
