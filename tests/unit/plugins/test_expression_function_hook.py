"""The hook `expression_functions` reaches the expression language of every process, peons too."""

from __future__ import annotations

import types

import pytest

from nemeton.common.clock import SystemClock
from nemeton.inject import Injector
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import hookimpl, json_type
from nemeton.query.expressions.evaluate import FUNCTIONS, find_function
from nemeton.server.process import ProcessModule
from nemeton.spi import ExpressionFunction


def extension(name):
    @json_type(name)
    class Twice(ExpressionFunction):
        arguments = (1, 1)

        def apply(self, args, count):
            return "LONG", [value * 2 for value in args[0].objects()]

    module = types.ModuleType("acme_expressions")
    module.expression_functions = hookimpl(lambda: [Twice])
    return module


@pytest.fixture
def start(nemeton_extensions, monkeypatch):
    find_function("abs")  # core's own are there
    monkeypatch.setattr("nemeton.query.expressions.evaluate.FUNCTIONS", dict(FUNCTIONS))

    def start(module):
        loaded = nemeton_extensions(module)
        process = ProcessModule(loaded.extensions, loaded.json, SystemClock())
        Injector([process], lifecycle=Lifecycle("test"), eagerly=False)

    return start


def test_a_process_knows_the_functions_of_its_extensions(start):
    start(extension("acme_twice_for_the_hook"))
    assert find_function("ACME_TWICE_FOR_THE_HOOK").min_args == 1


def test_a_name_that_core_has_is_refused(start):
    with pytest.raises(ValueError, match=r"\[abs\] exists already"):
        start(extension("abs"))
