"""The numbers of a run as TensorBoard events, where TensorBoard is installed."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Events:
    """Writes scalars to a new event file in a run folder; without TensorBoard it writes nothing."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if the disk refuses."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ModuleNotFoundError:
            self._file = None
            return
        self._event, self._summary = Event, Summary
        name = f"events.out.tfevents.{time.time_ns() // 1_000_000}.{socket.gethostname()}"
        self._file = open(folder / name, "ab")  # noqa: SIM115 (closed in `close`)
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        # a TensorBoard that watches forgets what it read from the file of an earlier session
        self._write(session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add numbers by their tags."""
        if self._file is not None:
            values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
            self._write(step=step, summary=self._summary(value=values))

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
