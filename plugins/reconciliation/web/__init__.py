"""The pages in Airflow: how the syncs are, one customer's record, and what waits for a person."""
