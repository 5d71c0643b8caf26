"""PromQL from text to a typed tree and back."""
