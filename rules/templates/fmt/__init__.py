"""Go's formatted printing."""
