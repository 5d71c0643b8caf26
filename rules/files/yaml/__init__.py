"""YAML with places and comments."""
