"""Stateful machines without a framework."""
