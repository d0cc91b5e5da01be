"""A cache folder for each test, the real data sets once for all, and small ones behind a local server."""

import dataclasses
import gzip
import hashlib
import io
import os
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lab.data import sources
from lab.data.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("LAB_CACHE", str(folder))
    return folder


@pytest.fixture
def real(shared_cache, monkeypatch):
    """The real files of LAB_DATA, decoded once for all tests."""
    monkeypatch.setenv("LAB_CACHE", shared_cache)
    if "LAB_DATA" not in os.environ:
        pytest.skip("machine: LAB_DATA names no folder with the real data sets")
    return Path(shared_cache)


class Server(ThreadingHTTPServer):
    """Serves `files`; an answer may also be a status code, or a function of the request handler."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requested = {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/")
        self.server.requested.append(name)
        answer = self.server.files.get(name, 404)
        if callable(answer):
            answer(self)
        elif isinstance(answer, int):
            self.send_error(answer)
        else:
            self.announce(len(answer))
            self.wfile.write(answer)

    def announce(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@dataclasses.dataclass
class Tiny:
    server: Server
    contents: dict[str, bytes]  # name in sources.FILES: uncompressed content
    downloads: dict[str, bytes]  # what the server serves


@pytest.fixture
def tiny(server, monkeypatch):
    """Data sets of the published formats, with 20 images a file, at addresses of the local server."""
    monkeypatch.delenv("LAB_DATA", raising=False)
    rng = np.random.default_rng(7)
    contents = {name: _content(name, rng) for name in sources.FILES}
    downloads = {}
    for download in sources.DOWNLOADS:
        members = {name: contents[name] for name, file in sources.FILES.items() if file.download == download}
        downloads[download] = _pack(download, members)
        url = f"{server.url}/{download}"
        entry = sources.Download(url, _md5(downloads[download]), len(downloads[download]))
        monkeypatch.setitem(sources.DOWNLOADS, download, entry)
    for name, file in sources.FILES.items():
        monkeypatch.setitem(sources.FILES, name, file._replace(md5=_md5(contents[name])))
    server.files.update(downloads)

    for name, data_set in CATALOGUE.items():
        if data_set.file_names:
            small = dataclasses.replace(data_set, val_size=5)
            counts = {
                part: tuple(
                    np.bincount(small.decode([contents[file] for file in files])[:, 0].astype(int)).tolist()
                )
                for part, files in small.files.items()
            }
            monkeypatch.setitem(CATALOGUE, name, dataclasses.replace(small, class_counts=counts))
    return Tiny(server, contents, downloads)


def _content(name, rng):
    labels = rng.permutation(np.arange(20) % 10).astype(np.uint8)
    if name.startswith("cifar"):
        pixels = rng.integers(0, 256, (20, 3072), dtype=np.uint8)
        return np.column_stack([labels, pixels]).tobytes()
    if "images" in name:
        pixels = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
        return struct.pack(">4I", 2051, *pixels.shape) + pixels.tobytes()
    if "labels" in name:
        return struct.pack(">2I", 2049, 20) + labels.tobytes()
    rows = [[k, *rng.normal(size=9).round(3), (1, 2, 3, 5, 6, 7)[k % 6]] for k in range(120)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def _pack(download, members):
    if download.endswith(".tar.gz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return packed.getvalue()
    (content,) = members.values()
    return gzip.compress(content) if download.endswith(".gz") else content


def _md5(content):
    return hashlib.md5(content).hexdigest()
