"""Metrics and alerts for the operators; emitting never blocks and never throws."""

from nemeton.emitter.service import ServiceEmitter

__all__ = ["ServiceEmitter"]
