"""Live widgets: the only part of the lab that imports ipywidgets and bqplot."""

from lab.live.explorer import Explorer

__all__ = ["Explorer"]
