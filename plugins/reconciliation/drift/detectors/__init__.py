"""What is looked for: each module reads one thing and yields what differs as findings."""
