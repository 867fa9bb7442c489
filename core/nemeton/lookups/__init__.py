"""Lookups on the nodes that answer queries: loaded as the Coordinator says, kept over restarts, shown over HTTP."""
