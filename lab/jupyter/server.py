"""What the lab's own JupyterLab does otherwise: small messages at once, and a kernel before the page asks."""

import json
import logging
from pathlib import Path
from urllib.parse import unquote

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

OPENED = "/lab/tree/"  # and the notebook that the first page shows


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Without Nagle's algorithm: a small message would wait up to 40 ms for the receipt of the one before
    it, and a slider's move is answered by several of them."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def _jupyter_server_extension_points():
    return [{"module": __name__}]


def _load_jupyter_server_extension(server):
    """There is nothing to load, only something to start."""


async def _start_jupyter_server_extension(server):
    """Start the kernel of the notebook that is opened. JupyterLab loses a cell that is run before its page
    has asked for a kernel; it finds this one, and its messages wait until it is ready."""
    name = unquote(server.config.LabApp.default_url).removeprefix(OPENED)
    try:
        stored = json.loads((Path(server.root_dir) / name).read_text("utf-8"))
        kernel = stored["metadata"].get("kernelspec", {}).get("name", "python3")
        await server.session_manager.create_session(name, name, "notebook", kernel)
    except Exception as error:  # the page will ask for one
        logging.getLogger(__name__).info("no kernel yet for %s: %s", name, error)
