"""The schemas INFORMATION_SCHEMA and sys: tables about the cluster, made when they are asked."""

from __future__ import annotations
