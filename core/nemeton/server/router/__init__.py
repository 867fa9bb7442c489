"""The Router: one address for everything, passing requests on to Brokers and leaders."""
