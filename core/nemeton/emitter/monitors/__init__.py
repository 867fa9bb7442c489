"""Monitors: when they run, and those that every role has."""
