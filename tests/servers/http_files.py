"""Input of tasks over HTTP, made when it is asked for."""

import contextlib
import http.server
import threading


class HttpFiles:
    """Serves ``body(path)``, which may wait, as the content of each path; a reader may be killed meanwhile."""

    def __init__(self, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content = body(self.path)
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path):
        """``path`` without the slash before it."""
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
