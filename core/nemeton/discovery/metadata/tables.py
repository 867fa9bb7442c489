"""The tables of leases and announcements: nemeton's own, made only where they are used; Druid ignores them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table, quoted_name


@frozen
class LeaseTables:
    """``<base>_leases`` and ``<base>_nodes``. ``expires`` is in milliseconds by the store's own clock.

    A row of leases also holds the terms of leaders whom ZooKeeper elects; ``expires`` is 0 then.
    """

    meta: MetaData
    leases: Table
    nodes: Table

    @classmethod
    def make(cls, base: str, fold: Callable[[str], str]) -> LeaseTables:
        """Describe the tables; ``fold`` gives the form in which the database keeps a name that is not quoted."""
        meta = MetaData()

        def name(suffix: str) -> quoted_name:
            return quoted_name(fold(f"{base}_{suffix}"), quote=False)

        leases = Table(
            name("leases"),
            meta,
            Column("service", String(255), primary_key=True),
            Column("holder", String(512), nullable=False),
            Column("term", BigInteger, nullable=False),
            Column("expires", BigInteger, nullable=False),
        )
        nodes = Table(
            name("nodes"),
            meta,
            Column("id", String(512), primary_key=True),
            Column("role", String(255), nullable=False),
            Column("owner", String(255), nullable=False),
            Column("revision", String(255), nullable=False),
            Column("expires", BigInteger, nullable=False),
            Column("payload", LargeBinary, nullable=False),
            Index(quoted_name(fold(f"idx_{base}_nodes_owner"), quote=False), "owner"),
        )
        return cls(meta, leases, nodes)
