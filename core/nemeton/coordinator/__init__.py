"""The Coordinator: duties over the used segments, rules, assignment to data servers, and their API."""
