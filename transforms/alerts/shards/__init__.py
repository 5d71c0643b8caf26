"""The first stage: samples of a shard, and the fragments evaluated on them."""
