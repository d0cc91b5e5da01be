"""The kernel's websocket in the lab's own JupyterLab: it sends at once."""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Without Nagle's algorithm: a small message would wait up to 40 ms for the receipt of the one before
    it, and a slider's move is answered by several of them."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()
