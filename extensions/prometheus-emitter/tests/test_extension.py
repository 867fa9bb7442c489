from __future__ import annotations

import subprocess
import sys

import pytest

from nemeton.common.errors import DruidException
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.plugins import load_extensions
from nemeton.spi import Emitter
from nemeton_prometheus_emitter.config import PREFIX, PrometheusEmitterConfig, Strategy


def configured(**settings: str) -> PrometheusEmitterConfig:
    properties = Properties({f"{PREFIX}.{name}": value for name, value in settings.items()})
    return JsonConfigurator(properties).configurate(PREFIX, PrometheusEmitterConfig)


def test_a_load_list_written_for_druid_loads_exactly_it():
    loaded = load_extensions({"druid.extensions.loadList": '["prometheus-emitter"]'}, ("nemeton.emitter.extension",))
    assert [status.name for status in loaded.statuses if status.state == "loaded" and not status.is_core] == [
        "prometheus-emitter"
    ]
    assert loaded.registry.get(Emitter, "prometheus").__name__ == "PrometheusEmitter"


def test_without_it_the_emitter_is_unknown_and_the_error_says_where_it_is():
    loaded = load_extensions({"druid.extensions.loadList": "[]"}, ("nemeton.emitter.extension",))
    with pytest.raises(DruidException, match=r"\[prometheus\].*prometheus-emitter"):
        loaded.registry.get(Emitter, "prometheus")


def test_loading_it_imports_nothing_heavy():
    code = (
        "import sys; from nemeton.plugins import load_extensions;"
        "s = load_extensions({'druid.extensions.loadList': '[\"prometheus-emitter\"]'}, ()).statuses;"
        "assert 'loaded' in [x.state for x in s];"
        "sys.exit(','.join(m for m in ('prometheus_client', 'http.server') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_properties_are_druids():
    config = configured(
        strategy="pushgateway",
        namespace="n",
        pushGatewayAddress="h:1",
        flushPeriod="20",
        addHostAsLabel="true",
        extraLabels='{"env": "dev"}',
        waitForShutdownDelay="60000",
    )
    assert config == PrometheusEmitterConfig(
        strategy=Strategy.PUSHGATEWAY,
        namespace="n",
        push_gateway_address="h:1",
        flush_period=20,
        add_host_as_label=True,
        extra_labels={"env": "dev"},
        wait_for_shutdown_delay=60_000,
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strategy", "pull", "exporter.*pushgateway"),
        ("namespace", "my-druid", r"namespace \[my-druid\] must match"),
        ("port", "many", r"port\]: \[many\] must be an integer"),
        ("port", "70000", "port"),
        ("flushPeriod", "0", r"flushPeriod \[0\]"),
        ("extraLabels", '{"a-b": "x"}', r"extraLabels: \[a-b\]"),
        ("waitForShutdownDelay", "-1", "wait_?[fF]or_?[sS]hutdown_?[dD]elay"),
    ],
)
def test_bad_values_are_told_by_name(name, value, message):
    with pytest.raises(ConfigurationError, match=rf"druid\.emitter\.prometheus.*{message}"):
        configured(**{name: value})


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (PrometheusEmitterConfig(), "port"),
        (PrometheusEmitterConfig(strategy=Strategy.PUSHGATEWAY), "pushGatewayAddress"),
    ],
)
def test_a_strategy_says_what_it_needs(config, named, json, clock):
    from nemeton_prometheus_emitter.emitter import PrometheusEmitter

    with pytest.raises(DruidException, match=rf"druid\.emitter\.prometheus\.{named} must be set"):
        PrometheusEmitter(config, json, clock)
