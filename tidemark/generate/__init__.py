"""The load generator: a seeded fleet of hosts, what goes wrong on the way, and its delivery to Kafka or to files."""
