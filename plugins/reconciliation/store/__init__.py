"""What the bridge itself keeps: mapping, ledger, runs, incidents."""
