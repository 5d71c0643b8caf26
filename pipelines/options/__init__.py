"""Command lines of jobs."""
