"""What is found wrong in rule files, and the forms in which it is shown."""
