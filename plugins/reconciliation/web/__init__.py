"""The pages in Airflow, the report of a run, and the receiver of Chatwoot's webhooks."""
