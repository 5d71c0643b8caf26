"""What evaluating a program of rules means: groups, alerts, recorded series."""
