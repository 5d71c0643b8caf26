"""What `--plan` shows of a job before it runs."""
