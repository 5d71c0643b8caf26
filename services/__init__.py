"""Processes around the jobs that are not Beam jobs."""
