"""What a worker serves to tasks that merge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager
from nemeton.indexing.worker.shuffle.metrics import ShuffleMetrics
from nemeton.spi.http import Request, Resource, Response, StreamingResponse, route, state_read, state_write
from nemeton.time import Interval, parse_datetime

_BASE = "/druid/worker/v1/shuffle/task/{supervisor}"
_OCTETS = "application/octet-stream"
_PIECE = 1 << 20


class ShuffleResource(Resource):
    """Partial segments by supervisor task, sub task, interval and bucket."""

    def __init__(self, manager: IntermediaryDataManager, metrics: ShuffleMetrics) -> None:
        self._manager = manager
        self._metrics = metrics

    @route("GET", f"{_BASE}/{{sub_task}}/partition", access=state_read, produces=_OCTETS, has_deadline=False)
    def partition(self, request: Request) -> Response | StreamingResponse:
        """The zip of a partial segment; 404 when there is none."""
        supervisor, sub_task = request.path_params["supervisor"], request.path_params["sub_task"]
        try:
            start, end = (parse_datetime(request.query(name, "")) for name in ("startTime", "endTime"))
            interval, bucket = Interval(start, end), int(request.query("bucketId", "0"))
        except ValueError:
            return Response(404)
        file = self._manager.find_partition(supervisor, sub_task, interval, bucket)
        if file is None:
            message = (
                f"Can't find the partition for supervisorTask[{supervisor}], subTask[{sub_task}], "
                f"interval[{interval}], and bucketId[{bucket}]"
            )
            return Response(404, body=message, media_type=_OCTETS)
        self._metrics.requested(supervisor, file.stat().st_size)
        return StreamingResponse(_pieces(file), media_type=_OCTETS, compress=False)

    @route("DELETE", _BASE, access=state_write, produces=None)
    def delete(self, request: Request) -> Response:
        """Remove what belongs to a supervisor task; fine when there is nothing."""
        supervisor = request.path_params["supervisor"]
        try:
            self._manager.delete_partitions(supervisor)
        except OSError as e:
            return Response(500, body=str(e), media_type="text/plain")
        return Response(200, body=supervisor, media_type="text/plain")


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
