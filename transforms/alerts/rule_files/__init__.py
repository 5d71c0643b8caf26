"""Rule files as a source."""
