"""The queries that Druid knows, as immutable values: what is asked, of what, over which time."""
