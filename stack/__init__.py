"""Everything `make up` starts on one machine: PostgreSQL, Airflow and the sandbox."""
