"""NumPy, without which nothing works; where another one hides the lab's, a sentence says so."""

import os
from pathlib import Path


class HiddenPackage(ImportError):
    """Which folder of PYTHONPATH has a package in place of the lab's that can't be loaded, in a sentence."""

    def _render_traceback_(self):
        """What IPython shows in a notebook: the sentence alone."""
        return [f"{type(self).__name__}: {self}"]


try:
    import numpy  # noqa: F401
except ImportError:
    for folder in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if Path(folder, "numpy", "__init__.py").exists():
            raise HiddenPackage(
                f"PYTHONPATH names {folder}, and the numpy from there takes the place of the lab's, but "
                "can't be loaded. Take that folder out of PYTHONPATH and start again."
            ) from None
    raise
