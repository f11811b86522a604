"""Runs a DAG of the project once, in this process; tests start it with an environment of its own."""

from __future__ import annotations

import sys

from airflow.dag_processing.dagbag import DagBag

folder, dag_id = sys.argv[1:]
bag = DagBag(folder, bundle_path=folder, bundle_name="dags-folder")
assert not bag.import_errors, bag.import_errors
run = bag.dags[dag_id].test()
assert str(run.state) == "success", run.state
