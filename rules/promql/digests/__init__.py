"""Digests of long ranges, which merge."""
