"""Partial segments on their way from the tasks that make them to those that merge them."""
