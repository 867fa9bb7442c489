"""``/druid/coordinator/v1``."""
