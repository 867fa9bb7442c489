"""``index_parallel`` over many workers: the supervisor task, its phases, and the sub tasks of each."""
