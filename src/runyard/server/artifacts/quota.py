"""The configured limit of a store's size."""

from __future__ import annotations

import threading

from runyard.server.artifacts.refusals import full


class Quota:
    """Counts the bytes of one store against a limit; safe to use from several threads.

    It knows what this process writes and deletes, and what lay there at the start. Other processes on
    the same folder count for themselves.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes taken, those of unfinished writes included."""
        return self._used

    def check(self, size: int) -> None:
        """Raises StorageFull if `size` more bytes would exceed the limit; takes nothing."""
        if self._used + size > self.max_bytes:
            raise full()

    def take(self, size: int) -> None:
        """Takes `size` bytes.

        Raises:
            StorageFull: they would exceed the limit; then none is taken.
        """
        with self._lock:
            self.check(size)
            self._used += size

    def give_back(self, size: int) -> None:
        """Frees `size` bytes."""
        with self._lock:
            self._used -= size

    def recount(self, used: int) -> None:
        """Sets what is taken, after a count of what is there."""
        with self._lock:
            self._used = used
