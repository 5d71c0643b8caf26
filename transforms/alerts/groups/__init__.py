"""The second stage: groups of rules over all shards."""
