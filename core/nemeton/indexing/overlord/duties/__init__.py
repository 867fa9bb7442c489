"""What the leading Overlord does now and then, and core's own duties."""
