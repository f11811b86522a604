"""What becomes of our bindings when Krayin is another one than we knew."""
