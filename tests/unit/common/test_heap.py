"""How servers use the C library's heap."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT_HEAPS = """
import ctypes, re, sys, tempfile, threading
from nemeton.common.heap import share_heaps

libc = ctypes.CDLL("libc.so.6")
share_heaps()
together = threading.Barrier(40)

def take() -> None:
    together.wait(30)
    libc.free(ctypes.c_void_p(libc.malloc(1000)))
    together.wait(30)

libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p
threads = [threading.Thread(target=take) for _ in range(40)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(len(re.findall(b"<heap nr", told.read())), file=sys.stdout)
"""


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")


def heaps(environment: dict[str, str]) -> int:
    command = [sys.executable, "-c", COUNT_HEAPS]
    counted = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return int(counted.stdout)


def test_the_threads_of_a_server_share_heaps():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    assert 1 <= heaps(environment) <= max(2, len(os.sched_getaffinity(0)))


def test_what_the_operator_says_stands():
    assert heaps({**os.environ, "MALLOC_ARENA_MAX": "1"}) == 1
