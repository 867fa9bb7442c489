"""Provisioning strategies of core: when to make workers and when to end them."""
