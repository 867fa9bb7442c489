"""How each query type runs."""
