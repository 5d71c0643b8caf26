"""Downloads and builds of the stack's parts, once per user, into the cache."""
