"""Rule files: read, checked and formatted."""
