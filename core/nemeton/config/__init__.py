"""Configuration: ``runtime.properties`` in layers, and the attrs classes that are filled from them."""

from nemeton.config.configurator import JsonConfigurator
from nemeton.config.passwords import PasswordProvider
from nemeton.config.problems import ConfigurationError
from nemeton.config.properties import Origin, Properties
from nemeton.config.secrets import HIDDEN, is_secret
from nemeton.config.sources import load_properties
from nemeton.config.values import HumanReadableBytes

__all__ = [
    "HIDDEN",
    "ConfigurationError",
    "HumanReadableBytes",
    "JsonConfigurator",
    "Origin",
    "PasswordProvider",
    "Properties",
    "is_secret",
    "load_properties",
]
