"""What is known of rules before they are evaluated: what they read, how far back, what can be in it."""
