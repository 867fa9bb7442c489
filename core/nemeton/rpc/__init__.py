"""Calling other services: find them, call them, follow redirects, try again."""
