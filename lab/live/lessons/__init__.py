"""Small widgets for the lessons: a layer by hand, and its backward pass node by node."""

from lab.live.lessons.by_hand import LayerByHand
from lab.live.lessons.graph import BackwardGraph

__all__ = ["BackwardGraph", "LayerByHand"]
