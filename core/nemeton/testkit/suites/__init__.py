"""Conformance suites: one class per SPI; subclass it, give it your implementation, and pytest runs its tests."""
