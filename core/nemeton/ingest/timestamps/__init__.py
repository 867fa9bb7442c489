"""From the texts and numbers of an input to instants, column by column."""

from nemeton.ingest.timestamps.parse import ParsedTimes, parse_times

__all__ = ["ParsedTimes", "parse_times"]
