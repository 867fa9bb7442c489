"""Caches of answers: where they are kept, under which keys, and when."""
