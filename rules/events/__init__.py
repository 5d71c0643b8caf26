"""Transitions of alerts as events, their identities, traces and corrections."""
