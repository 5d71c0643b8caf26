"""What Prometheus takes from the Go language: durations, numbers, quoting, regular expressions."""
