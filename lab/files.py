"""Where style sheets, published figures and lessons lie: in a wheel's package, or beside a checkout's."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
IS_CHECKOUT = not (PACKAGE / "assets").is_dir()
ROOT = PACKAGE.parent if IS_CHECKOUT else PACKAGE
ASSETS, LESSONS = ROOT / "assets", ROOT / "notebooks"
