"""A stand-in for Krayin 2.1.5 or 2.2.3 with its REST API: an HTTP server that answers as they do."""
