"""A real HTTP server that takes events, or refuses them as a test says."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status = self.server.statuses.pop(0) if self.server.statuses else self.server.status
        self.server.requests.append((status, self.path, dict(self.headers), body))
        assert self.server.release.wait(20)
        self.send_response(status)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"answer")

    def log_message(self, *args):
        pass


class Receiver:
    """``statuses`` are the next answers, ``status`` all others; ``hold`` keeps answers back until ``let_go``."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.statuses, self._server.requests, self._server.status = [], [], 200
        self._server.release = Event()
        self._server.release.set()
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def statuses(self):
        return self._server.statuses

    def always(self, status):
        self._server.status = status

    @property
    def requests(self):
        return list(self._server.requests)

    @property
    def taken(self):
        """The bodies that were answered with 200."""
        return [body for status, _, _, body in self._server.requests if status == 200]

    def hold(self):
        self._server.release.clear()

    def let_go(self):
        self._server.release.set()

    def close(self):
        self._server.release.set()
        self._server.shutdown()
        self._server.server_close()
