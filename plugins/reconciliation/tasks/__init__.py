"""What the DAGs' tasks do."""
