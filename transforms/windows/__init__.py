"""Event-time windows of a shard."""
