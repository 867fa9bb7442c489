"""An emitter whose events a test can read."""

from typing import Any

from nemeton.emitter import ServiceEmitter


class RecordingEmitter(ServiceEmitter):
    """Keeps what is emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[tuple[str, float, dict[str, Any]]] = []
        self.alerts: list[tuple[str, dict[str, Any]]] = []

    @property
    def messages(self) -> list[str]:
        """Those of the alerts."""
        return [message for message, _ in self.alerts]

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        self.metrics.append((name, value, dims))

    def alert(self, message: str, severity: Any = None, data: Any = None, exception: Any = None) -> None:
        self.alerts.append((message, dict(data or {})))
