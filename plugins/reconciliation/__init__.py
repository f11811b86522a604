"""Where Chatwoot and Krayin meet: map, match, diff, plan, load, report."""
