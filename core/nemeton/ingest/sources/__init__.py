"""Input sources."""
