"""Half of a Historical, and of every peon: the segment cache, load and drop requests, and queries on local segments."""
