"""Deep storage and task logs: the local kinds, and the dispatch by load spec."""
