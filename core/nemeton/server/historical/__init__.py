"""The Historical: serves published segments from its cache."""
