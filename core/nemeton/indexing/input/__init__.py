"""Input sources of the indexing service itself: data sources that are there already."""
