"""The explorer: two networks that train before the room, and the sliders that start them again."""

from lab.live.explorer.widget import Explorer

__all__ = ["Explorer"]
