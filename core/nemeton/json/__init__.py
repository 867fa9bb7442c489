"""JSON as Druid's Jackson reads and writes it: one converter, type-tagged unions, exact error paths."""

from nemeton.json.converter import Json
from nemeton.json.errors import JsonError
from nemeton.json.wire import camel_case, json_options, wire

__all__ = ["Json", "JsonError", "camel_case", "json_options", "wire"]
