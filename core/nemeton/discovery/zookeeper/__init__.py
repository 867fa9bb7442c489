"""Coordination over ZooKeeper in Druid's layout, so that Java and Python nodes share one."""
