"""One server for all, one browser for a module, and one notebook with a kernel of its own for a test."""

from pathlib import Path

import pytest

from tests.browser.jupyter import SCREEN, Notebook, Server, chromium


def pytest_addoption(parser):
    parser.addoption("--soak", metavar="SECONDS", type=float, default=30, help="how long the long run is")
    parser.addoption("--screenshots", metavar="DIR", type=Path, help="write pictures of the explorer here")


def pytest_collection_modifyitems(items):
    """Pages share two cores with all the rest: one that failed is tried again, and the summary says why."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jupyter"))
    try:
        server.wait_until_up()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")  # playwright runs an event loop, which tests of other folders can't bear
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser, server):
    """Opens a notebook by name; at the end nothing may have gone wrong behind the screen."""
    notebooks = []

    def open_notebook(name, **settings):
        notebooks.append(Notebook(browser.new_page(viewport=SCREEN), server, name, **settings))
        return notebooks[-1]

    yield open_notebook
    for notebook in notebooks:
        notebook.close()
    server.end_kernels()
    assert [complaint for notebook in notebooks for complaint in notebook.complaints] == []


@pytest.fixture
def explorer(opened, server):
    """A notebook whose only cell shows an explorer, which trains."""
    notebook = opened(server.write("explorer.ipynb", "from lab.live import Explorer\n\nExplorer()"))
    notebook.run_all()
    return notebook


@pytest.fixture
def picture(request):
    """Writes a picture of a notebook under a name, where --screenshots names a folder."""
    folder = request.config.getoption("--screenshots", default=None)

    def take(notebook, name):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            notebook.page.screenshot(path=folder / f"{name}.png")

    return take
