"""Passwords come from providers, and never go back out."""

import pytest
from attrs import frozen

from nemeton.config import ConfigurationError, JsonConfigurator, PasswordProvider, Properties
from nemeton.json import Json
from nemeton.plugins import load_extensions


@pytest.fixture
def converter():
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.config.extension"]).registry)


@frozen
class Connection:
    password: PasswordProvider | None = None


def read(converter, value):
    configurator = JsonConfigurator(Properties({"druid.db.password": value}), converter)
    return configurator.configurate("druid.db", Connection).password


def test_a_plain_text_is_the_password(converter):
    assert read(converter, "hunter2").get_password() == "hunter2"


def test_a_provider_in_json(converter, monkeypatch):
    assert read(converter, '{"type":"default","password":"hunter2"}').get_password() == "hunter2"
    provider = read(converter, '{"type":"environment","variable":"NEMETON_TEST_PASSWORD"}')
    assert provider.get_password() is None
    monkeypatch.setenv("NEMETON_TEST_PASSWORD", "hunter2")
    assert provider.get_password() == "hunter2"


def test_an_unknown_provider_is_a_fault_of_the_property_and_tells_no_secret(converter):
    with pytest.raises(ConfigurationError, match=r"druid\.db\.password") as raised:
        read(converter, '{"type":"vault","password":"hunter2"}')
    assert "hunter2" not in str(raised.value)


def test_the_password_is_not_shown(converter):
    provider = read(converter, "hunter2")
    assert "hunter2" not in repr(provider)
    assert b"hunter2" not in converter.dumps(provider)
