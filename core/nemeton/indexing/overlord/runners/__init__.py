"""Task runners of the Overlord whose workers are other processes: ``remote`` (ZooKeeper) and ``httpRemote``."""
