from __future__ import annotations

import pickle

from reconciliation.errors import (
    ConnectionMissingError,
    DatabaseRevisionError,
    LeaseLostError,
    ReconciliationError,
    RunStoppedError,
    SettingsDoNotFitKrayinError,
    SettingsError,
    SyncDatabaseError,
)


def test_each_problem_of_a_file_stands_on_a_line_of_its_own():
    error = SettingsError("a.yaml", ["name: is missing", "krayin: is wrong"])
    assert str(error) == "a.yaml: name: is missing\na.yaml: krayin: is wrong"
    assert (error.file, error.problems) == ("a.yaml", ("name: is missing", "krayin: is wrong"))
    assert isinstance(SettingsDoNotFitKrayinError("a", []), SettingsError)


def test_messages_say_what_to_do_and_keep_the_facts():
    missing = ConnectionMissingError("krayin_default", "Krayin")
    assert "'krayin_default' (Krayin) does not exist" in str(missing)
    assert "Admin > Connections" in str(missing)
    stopped = RunStoppedError("Krayin is down.", 12)
    assert str(stopped) == "Krayin is down. Stopped early: 12 planned operation(s) are kept for the next run."
    assert (stopped.reason, stopped.waiting) == ("Krayin is down.", 12)
    assert LeaseLostError(3).operation_id == 3
    assert SyncDatabaseError("check sync_db").hint == "check sync_db"


def test_errors_survive_the_way_between_processes():
    # Airflow pickles what a task raised.
    for error in (
        SettingsError("a.yaml", ["x"]), SettingsDoNotFitKrayinError("a", ["y"]), SyncDatabaseError("h"),
        ConnectionMissingError("c", "u"), RunStoppedError("r", 1), LeaseLostError(2),
        DatabaseRevisionError("0017", ["0023"]),
    ):  # fmt: skip
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, ReconciliationError)
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
