"""What several benchmarks need: rows, measuring, results."""
