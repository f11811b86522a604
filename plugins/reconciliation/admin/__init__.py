"""What people ask for or must hear: approvals, alerts, erasure, retention, recovery."""
