"""What a person types: the command and its subcommands."""
