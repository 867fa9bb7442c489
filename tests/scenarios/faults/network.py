"""Networks that fail: proxies that are slow or refuse, and ports that are cut off."""

import abc
import contextlib
import random
import selectors
import socket
import subprocess
import threading
import time


class _Proxy(abc.ABC):
    """Takes connections for another port of this machine, and serves each on a thread."""

    def __init__(self, target_port):
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @abc.abstractmethod
    def _serve(self, client):
        """On a thread of its own; closes the connection."""

    def close(self):
        self._closed = True
        self._listener.close()


class TcpProxy(_Proxy):
    """Passes bytes on to a port of this machine. `delay_s` gives the pause before each piece, from server or client."""

    def __init__(self, target_port, delay_s=lambda: 0.0):
        self.delay_s = delay_s
        super().__init__(target_port)

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target), 5)
            self._carry(client, server)

    def _carry(self, client, server):
        with server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in selector.select():
                        data = key.fileobj.recv(1 << 16)
                        if not data:
                            return
                        time.sleep(self.delay_s())
                        key.data.sendall(data)


class RefusingProxy(_Proxy):
    """Passes HTTP on to a server, connection by connection, but for one request in `one_in`, which gets 503 or nothing.

    Every answer ends its connection, so that a connection is a request.
    """

    def __init__(self, target_port, seed, one_in=3):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.one_in = one_in
        self.refused = 0
        super().__init__(target_port)

    def _serve(self, client):
        with client, contextlib.suppress(OSError, ValueError):
            head, rest = _read_head(client)
            length = _content_length(head)
            while len(rest) < length:
                rest += client.recv(1 << 16)
            with self._lock:
                kind = self._random.randrange(2 * self.one_in) if self.one_in else 2
            if kind < 2:
                self.refused += 1
                if kind == 0:
                    client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._target), 5) as server:
                server.sendall(_closing(head) + b"\r\n\r\n" + rest)
                while data := server.recv(1 << 16):
                    client.sendall(data)


def _read_head(client):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            raise ValueError("no request")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    if b"expect: 100-continue" in head.lower():
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
    return head, rest


def _content_length(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _closing(head):
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"])


@contextlib.contextmanager
def cut_off(port):
    """Nothing gets to a port of this machine any more, and nobody is told: packets are dropped. Needs root."""
    rule = ["INPUT", "-i", "lo", "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    subprocess.run(["iptables", "-w", "-I", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-w", "-D", *rule], check=True)


@contextlib.contextmanager
def small_disk(folder, size):
    """A disk of its own at the folder, of so many bytes. Needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
