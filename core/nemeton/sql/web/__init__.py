"""SQL over HTTP: the resource, its request body and the result formats."""

from __future__ import annotations
