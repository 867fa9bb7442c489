"""The Broker: finds the segments that a query needs, asks who serves them, and merges what they answer."""
