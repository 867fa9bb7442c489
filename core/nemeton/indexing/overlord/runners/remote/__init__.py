"""The task runner ``remote``: workers and tasks through ZooKeeper."""
