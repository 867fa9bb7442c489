"""Smile, Jackson's binary form of JSON (``application/x-jackson-smile``), on plain data.

Plain data are dicts with string keys, lists, strings, booleans, None, ints, floats (NaN and infinities among them),
`decimal.Decimal` and bytes. The format is that of FasterXML's specification 1.0.6; what Druid's Jackson writes is read
as it is, and what is written here Jackson reads. docs/protocols/http-sync.md says where Druid insists on it.
"""

from nemeton.json.smile.packing import SmileError
from nemeton.json.smile.reader import MAX_DEPTH, loads
from nemeton.json.smile.writer import dump_array, dumps

__all__ = ["MAX_DEPTH", "SmileError", "dump_array", "dumps", "loads"]
