"""Readings of this computer."""
