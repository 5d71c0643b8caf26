"""Rules that change while a job runs."""
