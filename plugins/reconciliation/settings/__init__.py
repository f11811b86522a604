"""What a user sets: sync files, their model, and whether it fits."""
