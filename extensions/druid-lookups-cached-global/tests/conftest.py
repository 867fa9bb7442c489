"""A context in which lookups are loaded as on a node."""

from __future__ import annotations

import pytest

from nemeton.common.clock import SystemClock
from nemeton.spi.lookups import LookupContext, LookupExtractorFactory
from nemeton.testkit.isolation import load_isolated
from nemeton_lookups_cached_global.cache import CacheScheduler
from nemeton_lookups_cached_global.config import JdbcAccessSecurityConfig, NamespaceExtractionConfig


@pytest.fixture(scope="session")
def json():
    return load_isolated("druid-lookups-cached-global").json


@pytest.fixture
def context(json):
    clock = SystemClock()
    bound = {
        CacheScheduler: CacheScheduler(NamespaceExtractionConfig(), clock),
        JdbcAccessSecurityConfig: JdbcAccessSecurityConfig(),
    }
    yield LookupContext(clock=clock, json=json, get=bound.__getitem__)
    bound[CacheScheduler].stop()


@pytest.fixture
def started(json, context):
    """Starts a lookup of a namespace; all are closed at the end."""
    made = []

    def start(namespace, **more):
        spec = {
            "type": "cachedNamespace",
            "extractionNamespace": namespace,
            "firstCacheTimeout": 20_000,
            **more,
        }
        factory = json.structure(spec, LookupExtractorFactory)
        made.append(factory)
        assert factory.start(context)
        return factory

    yield start
    for each in made:
        each.close()
