"""One data folder, one cluster."""

import os

import pytest

from nemeton.common.errors import DruidException
from nemeton.server.embedded import EmbeddedCluster


def test_a_second_cluster_is_kept_off_the_data_folder(tmp_path):
    first = EmbeddedCluster(tmp_path, router_port=0, roles=["router"])
    second = EmbeddedCluster(tmp_path, router_port=0, roles=["router"])
    with first, pytest.raises(DruidException, match=rf"in use by process {os.getpid()}; .*--data-dir"):
        second.start()
    with second:
        assert second.router_url


def test_a_cluster_that_does_not_start_gives_the_folder_back(tmp_path, monkeypatch):
    first = EmbeddedCluster(tmp_path, router_port=0, roles=["router"])
    monkeypatch.setattr(first.process, "start", lambda: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        first.start()
    with EmbeddedCluster(tmp_path, router_port=0, roles=["router"]):
        pass
