"""The Overlord's HTTP API, as Druid has it."""
