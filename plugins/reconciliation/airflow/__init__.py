"""All that knows Airflow: tasks, forms, connections, assets, the trigger, metrics and applications."""
