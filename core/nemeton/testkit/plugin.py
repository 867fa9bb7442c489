"""The pytest plugin that every test run with nemeton installed loads (entry point ``pytest11``).

Imports nothing heavy: it is loaded by every pytest session of an environment that has nemeton in it.
"""
