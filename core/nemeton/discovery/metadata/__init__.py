"""Discovery and leader selection by leases in the metadata store, for clusters without ZooKeeper."""
