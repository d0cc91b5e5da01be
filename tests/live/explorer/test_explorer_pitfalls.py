"""What once went wrong with versions, notebooks and style sheets."""

import json
import re
import tomllib

import pytest

from lab.files import ASSETS
from lab.live.explorer.widget import STYLES
from tests.live.explorer.one_explorer import explore
from tests.live.stage import live

PROJECT = ASSETS.parent


def test_ipykernel_is_pinned():
    """7.4.0 freezes a slider for good that is moved while a cell awaits; 7.3.0 doesn't."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert "ipykernel==7.3.0" in project["project"]["optional-dependencies"]["live"]
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert re.findall(r"^ipykernel==(\S+)", (PROJECT / lock).read_text(), re.MULTILINE) == ["7.3.0"]


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_await_in_notebook_cells(path):
    """A cell that awaits while an explorer is on the screen is what freezes it."""
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not [cell for cell in code if re.search(r"\bawait\b", cell)]


def test_no_address_in_style_and_words():
    """Nothing is fetched from elsewhere: the lab works without a network."""
    for path in [*ASSETS.glob("*.css"), *(PROJECT / "lab" / "live").rglob("*.py")]:
        assert not re.search(r"https?://|@import|url\(", path.read_text("utf-8")), path.name


@live
async def test_the_style_sheets_come_with_the_explorer():
    with explore() as screen:
        sheet = screen.widget.children[0].value
        for name in STYLES:
            assert (ASSETS / name).read_text("utf-8") in sheet
