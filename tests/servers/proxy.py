"""A TCP proxy that stands for the network between a client and a server: it can be cut and mended."""

import contextlib
import socket
import threading

_CHUNK = 65536


class Proxy:
    """Forwards connections to a port of this machine. A context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._forgotten: list[threading.Event] = []
        self._closed = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connect_string(self) -> str:
        """``host:port`` of the proxy."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Forward nothing any more; connections stay, as behind a firewall that drops packets."""
        self._whole.clear()

    def mend(self) -> None:
        """Forward again, also what came in the meantime."""
        self._whole.set()

    def forget(self) -> None:
        """Forward new connections again; those that were cut stay silent for ever."""
        self._whole, cut = threading.Event(), self._whole
        self._whole.set()
        self._forgotten.append(cut)

    def reset(self) -> None:
        """Break all connections; new ones are taken."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        for event in (self._whole, *self._forgotten):
            event.set()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._serve, args=(client, self._whole), daemon=True).start()

    def _serve(self, client: socket.socket, whole: threading.Event) -> None:
        whole.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), 10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        self._sockets.append(server)
        threading.Thread(target=self._pump, args=(server, client, whole), daemon=True).start()
        self._pump(client, server, whole)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, whole: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                whole.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
