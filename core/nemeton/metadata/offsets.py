"""Rows of ``druid_dataSource``: how far a data source has read its stream. On an open transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sqlalchemy import Connection, delete, insert, select, update

from nemeton.metadata.connector import RetryTransactionError
from nemeton.metadata.tables import Tables
from nemeton.spi.data_source_metadata import DataSourceMetadata
from nemeton.time import format_datetime

if TYPE_CHECKING:
    from nemeton.json import Json


@frozen
class MetadataMismatchError(Exception):
    """What is stored is not where the publisher starts. ``retryable``: it may be when another publisher is done.

    ``is_at_end``: what is stored holds the end of this publish, which may therefore have been here before.
    """

    message: str
    retryable: bool
    is_at_end: bool

    def __str__(self) -> str:
        return self.message


class DataSourceMetadataRows:
    """Queries and updates on the offsets (JSON, or objects). Stateless but for what it was made with."""

    def __init__(self, tables: Tables, json: Json, now: Callable[[], int]) -> None:
        self._table = tables.data_source
        self._json = json
        self._now = now

    def read(self, connection: Connection, data_source: str) -> Any | None:
        """Return what is stored, as JSON."""
        stored = self._payload(connection, data_source)
        return None if stored is None else self._json.loads(stored)

    def _payload(self, connection: Connection, data_source: str) -> bytes | None:
        table = self._table
        query = select(table.c.commit_metadata_payload).where(table.c.datasource == data_source)
        payload: bytes | None = connection.execute(query).scalar()
        return payload

    def swap(self, connection: Connection, data_source: str, start: Any, end: Any) -> None:
        """Compare and swap. Raises :class:`MetadataMismatchError`; who loses the race for the row starts again."""
        stored = self._payload(connection, data_source)
        current = None if stored is None else self._json.loads(stored, DataSourceMetadata)
        start, end = self._structured(start), self._structured(end)
        if current is None:
            matches, is_ahead = start.is_valid_start(), True
        else:
            matches = start.as_start().matches(current.as_start())
            is_ahead = start.as_start().is_ahead_of(current.as_start())
        if not matches:
            raise self._mismatch(current, start, end, is_ahead=is_ahead)
        self._write(connection, data_source, stored, end if current is None else current.plus(end))

    def _structured(self, value: Any) -> DataSourceMetadata:
        if isinstance(value, DataSourceMetadata):
            return value
        structured: DataSourceMetadata = self._json.structure(value, DataSourceMetadata)
        return structured

    def _mismatch(
        self, current: DataSourceMetadata | None, start: DataSourceMetadata, end: DataSourceMetadata, *, is_ahead: bool
    ) -> MetadataMismatchError:
        stored, wanted = self._shown(current), self._shown(start)
        if is_ahead:
            text = f"The new start metadata state[{wanted}] is ahead of the last committed end state[{stored}]."
        else:
            text = f"Inconsistency between stored metadata state[{stored}] and target state[{wanted}]."
        is_at_end = current is not None and current.matches(end) and current.plus(end) == current
        return MetadataMismatchError(f"{text} Try resetting the supervisor.", is_ahead, is_at_end)

    def _shown(self, metadata: DataSourceMetadata | None) -> str:
        return "null" if metadata is None else self._json.dumps(metadata).decode()

    def _write(self, connection: Connection, data_source: str, stored: bytes | None, value: Any) -> None:
        table = self._table
        payload = self._json.dumps(value)
        row = {"commit_metadata_payload": payload, "commit_metadata_sha1": _sha1(payload)}
        if stored is None:
            now = format_datetime(self._now())
            connection.execute(insert(table).values(datasource=data_source, created_date=now, **row))
            return
        same = (table.c.datasource == data_source, table.c.commit_metadata_sha1 == _sha1(stored))
        if connection.execute(update(table).where(*same).values(**row)).rowcount != 1:
            raise RetryTransactionError(f"Lost the race for the metadata of [{data_source}]")

    def delete(self, connection: Connection, data_source: str) -> bool:
        """Delete the row; True when there was one."""
        return connection.execute(delete(self._table).where(self._table.c.datasource == data_source)).rowcount > 0

    def overwrite(self, connection: Connection, data_source: str, metadata: Any) -> bool:
        """Write without comparing; True when there was a row to write."""
        stored = self._payload(connection, data_source)
        if stored is None:
            return False
        self._write(connection, data_source, stored, metadata)
        return True


def _sha1(payload: bytes) -> str:
    return hashlib.sha1(payload).hexdigest().upper()
