"""A stand-in for Krayin 2.1.5 with its REST API 2.1.1: an HTTP server that answers as the real one does."""
