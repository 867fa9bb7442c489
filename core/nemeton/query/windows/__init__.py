"""What a `windowOperator` query does with its rows."""
