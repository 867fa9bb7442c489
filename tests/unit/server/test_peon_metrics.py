"""The dimensions of what a peon emits, and that no other role knows their properties."""

from __future__ import annotations

import json
import logging

from nemeton.config import Properties
from nemeton.config.unknown import sort_unread
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.logging_emitter import LoggingEmitterConfig
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.peon import make_injector
from nemeton.server.validation import implemented_properties

DIMENSIONS = {
    "druid.metrics.emitter.dimension.taskId": "t1",
    "druid.metrics.emitter.dimension.dataSource": "wiki",
}


def test_all_that_a_peon_emits_has_the_dimensions_that_its_worker_names(caplog):
    caplog.set_level(logging.INFO, logger=LoggingEmitterConfig().logger_class)
    injector = make_injector({"druid.emitter": "logging", **DIMENSIONS})
    emitter = injector.get(ServiceEmitter)
    lifecycle = injector.get(Lifecycle)
    lifecycle.start()
    emitter.emit_metric("a/b", 1, dataSource="other")
    lifecycle.stop()  # passes on what is left
    event = json.loads(caplog.messages[-1])
    assert (event["metric"], event["taskId"], event["dataSource"]) == ("a/b", "t1", "other")


def test_other_roles_do_not_know_them_as_in_druid():
    known = implemented_properties(load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS))
    assert {each.property for each in sort_unread(Properties(DIMENSIONS), known).problems} == set(DIMENSIONS)
