"""The state of one running Krayin: its database, clock, throttle, mails and files."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from sandbox.krayin import seeds
from sandbox.krayin.clock import Clock
from sandbox.krayin.limiter import Limiter
from sandbox.krayin.schema import SHAPES
from sandbox.krayin.tables import Database

if TYPE_CHECKING:
    from sandbox.krayin.settings import Settings

# How long a write waits between validation and writing when races are switched on, in seconds.
RACE_PAUSE = 0.05


class Krayin:
    """Everything a handler works on.

    Attributes:
        mails: mails that would have gone out, oldest first: to, subject, activity_id, event.
        files: uploaded contents by their storage path.
        custom: counter that changes with the attribute table, for caches of attribute lists.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(SHAPES)
        self.clock = Clock(settings.timezone)
        self.limiter = Limiter(self.clock)
        self.mails: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()

    def reset(self) -> None:
        """Make everything as a fresh installation."""
        self.clock = Clock(self.settings.timezone, self.clock.offset_seconds)
        self.limiter = Limiter(self.clock)
        self.mails.clear()
        self.files.clear()
        self.plant()

    def plant(self) -> None:
        """Empty the database and put what a new installation holds."""
        seeds.plant(
            self.database,
            self.clock.now_text(),
            self.settings.token,
            emails_required=self.settings.persons_email_required,
        )

    def pause(self) -> None:
        """Let other requests in, where the real server has a gap between validating and writing."""
        if self.settings.races:
            self.lock.release()
            try:
                time.sleep(RACE_PAUSE)
            finally:
                self.lock.acquire()
