"""The page in Airflow that says how the syncs are."""
