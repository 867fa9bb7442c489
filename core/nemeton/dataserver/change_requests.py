"""What the Coordinator asks of a data server, and what a data server tells of its segments: load this, drop that."""

from __future__ import annotations

import enum
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment


class ChangeAction(enum.StrEnum):
    """What is to be done, or was done."""

    LOAD = "load"
    DROP = "drop"
    NOOP = "noop"


@frozen
class DataSegmentChangeRequest:
    """One segment and what is done with it; in JSON the segment's own fields with ``action`` before them."""

    action: ChangeAction
    segment: DataSegment | None = None

    @classmethod
    def load(cls, segment: DataSegment) -> DataSegmentChangeRequest:
        """Load it, or: it is here."""
        return cls(ChangeAction.LOAD, segment)

    @classmethod
    def drop(cls, segment: DataSegment) -> DataSegmentChangeRequest:
        """Drop it, or: it has gone."""
        return cls(ChangeAction.DROP, segment)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> DataSegmentChangeRequest:
        """From Druid's form; actions of kinds that this version does not know (schemas) become no-ops."""
        action = value.get("action") if isinstance(value, dict) else None
        if not isinstance(action, str):
            raise invalid_input("action: required in a segment change request")
        if action not in (ChangeAction.LOAD, ChangeAction.DROP):
            return cls(ChangeAction.NOOP)
        return cls(ChangeAction(action), json.structure(value, DataSegment))

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        body = {} if self.segment is None else json.unstructure(self.segment)
        return {"action": self.action.value, **body}


class ChangeState(enum.StrEnum):
    """How far a request is."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    PENDING = "PENDING"


@frozen
class ChangeStatus:
    """How far a request is, and why it failed."""

    state: ChangeState
    failure_cause: str | None = None
    loading_mode: str | None = None


SUCCESS = ChangeStatus(ChangeState.SUCCESS)
PENDING = ChangeStatus(ChangeState.PENDING)


def failed(cause: str) -> ChangeStatus:
    """It failed, for this reason."""
    return ChangeStatus(ChangeState.FAILED, cause)


@frozen
class ChangeResponse:
    """One request of a batch with its status."""

    request: DataSegmentChangeRequest
    status: ChangeStatus
