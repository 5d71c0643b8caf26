"""Rules over a sharded stream: what shards evaluate, and what is made of it in one place."""
