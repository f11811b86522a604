"""Stands in for a comparison whose sync database answers what a test says."""

from __future__ import annotations

from types import SimpleNamespace


class CannedDrift:
    """`answers` are the rows of statements by name, as dictionaries; `execute` gives their values in order."""

    def __init__(self, answers, **more):
        self.answers = answers
        self.named = frozenset()
        self.depth = "changed"
        self.settings = SimpleNamespace(
            name="test", default_phone_region=None, custom_fields=SimpleNamespace(model_dump=dict)
        )
        self.__dict__.update(more)

    def rows(self, name, **_):
        return self.answers.get(name, [])

    def execute(self, name, **_):
        return [tuple(row.values()) for row in self.rows(name)]
