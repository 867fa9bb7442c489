"""The hook `expression_functions` reaches the expression language."""

from __future__ import annotations

import types

import pytest

from nemeton.common.clock import SystemClock
from nemeton.inject import Injector
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import hookimpl
from nemeton.query.expressions.evaluate import FUNCTIONS, Function, enter_functions, find_function
from nemeton.server.process import ProcessModule


def double(args, count):
    return args[0]


@pytest.fixture
def extension(monkeypatch):
    find_function("abs")  # core's own are there
    monkeypatch.setattr("nemeton.query.expressions.evaluate.FUNCTIONS", dict(FUNCTIONS))
    module = types.ModuleType("acme_expressions")
    module.expression_functions = hookimpl(lambda: [Function("acme_double", 1, 1, double)])
    return module


def test_a_process_enters_the_functions_of_its_extensions(nemeton_extensions, extension):
    loaded = nemeton_extensions(extension)
    process = ProcessModule(loaded.extensions, loaded.json, SystemClock())
    Injector([process], lifecycle=Lifecycle("test"), eagerly=False)
    assert find_function("ACME_DOUBLE").apply is double


def test_a_name_that_core_has_is_refused(extension):
    with pytest.raises(ValueError, match=r"\[abs\] is registered twice"):
        enter_functions([Function("abs", 1, 1, double)])
