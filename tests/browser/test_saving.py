"""What the explorer saves arrives as a file, in the browser's folder of downloads."""

import pytest

pytestmark = pytest.mark.browser

CELL = """
import ipywidgets as widgets
from lab.live.saving import link

widgets.HTML(link("curves of two.csv", "run,loss\\nGrüße,1\\n") + link("loss.png", bytes(range(256))))
"""


def test_links_save_their_files(opened, server):
    """By a click or by the keyboard, under their names and whole."""
    notebook = opened(server.write("saving.ipynb", CELL))
    notebook.run_cells()
    for name, content, press in (
        ("curves of two.csv", "run,loss\nGrüße,1\n".encode(), lambda link: link.press("Enter")),
        ("loss.png", bytes(range(256)), lambda link: link.click()),
    ):
        with notebook.page.expect_download() as download:
            press(notebook.page.get_by_role("link", name=f"Save {name}"))
        assert download.value.suggested_filename == name
        assert download.value.path().read_bytes() == content
