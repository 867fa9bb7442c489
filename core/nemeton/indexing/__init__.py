"""The indexing service: tasks, the Overlord that queues them, the workers and peons that run them."""
