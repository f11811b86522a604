"""The state of one running Krayin: its database, clock, throttle, mails and files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sandbox.krayin import seeds
from sandbox.krayin.clock import Clock
from sandbox.krayin.limiter import Limiter
from sandbox.krayin.schema import SHAPES
from sandbox.krayin.tables import Database

if TYPE_CHECKING:
    from sandbox.krayin.settings import Settings
    from sandbox.krayin.versions import Version

# How long a validated write waits at most for the others of a race, in seconds.
RACE_SECONDS = 2.0


class Krayin:
    """Everything a handler works on.

    Attributes:
        mails: mails that would have gone out, oldest first: to, subject, activity_id, event.
        files: uploaded contents by their storage path.
        custom: counter that changes with the attribute table, for caches of attribute lists.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(SHAPES, settings.storage)
        self.clock = Clock(settings.timezone)
        self.limiter = Limiter(self.clock)
        self.mails: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self._meeting = threading.Condition()
        self._met = 0

    @property
    def version(self) -> Version:
        """What the Krayin that runs does otherwise than another release."""
        return self.settings.release

    def reset(self) -> None:
        """Make everything as a fresh installation, the clock included."""
        self.clock = Clock(self.settings.timezone)
        self.limiter = Limiter(self.clock)
        self.mails.clear()
        self.files.clear()
        self.plant()

    def plant(self) -> None:
        """Empty the database and put what a new installation holds."""
        self.database.storage = self.settings.storage
        seeds.plant(
            self.database,
            self.clock.now_text(),
            self.settings.token,
            reseeded=self.version.reseeded,
            emails_required=self.settings.persons_email_required,
        )

    def pause(self) -> None:
        """Let other requests in, where the real server has a gap between validating and writing."""
        if self.settings.races > 1:
            self.lock.release()
            try:
                self._meet(self.settings.races)
            finally:
                self.lock.acquire()

    def _meet(self, parties: int) -> None:
        """Wait until so many writes are between validating and writing, or for a while."""
        with self._meeting:
            self._met += 1
            self._meeting.notify_all()
            goal = -(-self._met // parties) * parties
            self._meeting.wait_for(lambda: self._met >= goal, RACE_SECONDS)
            self._met = max(self._met, goal)
