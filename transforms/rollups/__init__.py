"""Samples rolled up through tiers."""
