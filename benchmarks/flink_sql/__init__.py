"""The peer: the same rollup in Flink SQL."""
