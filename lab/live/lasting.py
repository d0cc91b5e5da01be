"""A widget that leaves a picture behind: in a saved notebook, on GitHub, on a page without a kernel."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

REST = 1.0  # seconds without a change after which a picture is worth its time
# By its width the style sheet knows the picture among other outputs of the cell: beside the live widget it
# is hidden. Where there is no kernel there is no style sheet either.
WIDTH = 961
NOTHING = bytes.fromhex(  # one transparent point, a PNG, until there is a picture
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000b49444154789c6360000200"
    "000500017a5eab3f0000000049454e44ae426082"
)


class Live(widgets.VBox):
    """Says in words what it is where it can't be shown."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}: run this cell, and it is live"


class Lasting(Live):
    """Shows itself with a second output, a picture of how it stood when it last came to rest."""

    _picture: Any = None  # the handle of that output, once it is shown
    _waiting: asyncio.TimerHandle | None = None

    def _repr_mimebundle_(self, **options: Any) -> Any:
        from IPython.display import display

        bundle, metadata = _bundle(NOTHING, height=1)
        self._picture = display(bundle, metadata=metadata, raw=True, display_id=True)
        return super()._repr_mimebundle_(**options)

    def _leave(self, draw: Callable[[], bytes] | None) -> None:
        """Leave what `draw` makes, a PNG, unless this is called again within a second; None is nothing yet.
        To be called in the event loop."""
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
        if draw and self._picture:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(REST, lambda: loop.create_task(self._draw_last(draw)))

    async def _draw_last(self, draw: Any) -> None:
        """Beside the loop, which goes on meanwhile."""
        png = draw() if sys.platform == "emscripten" else await asyncio.to_thread(draw)
        bundle, metadata = _bundle(png)
        self._picture.update(bundle, metadata=metadata, raw=True)


def _bundle(png: bytes, **size: Any) -> tuple:
    """(bundle, metadata) of an output."""
    return {"image/png": png}, {"image/png": {"width": WIDTH, **size}}
