"""What every command line shares: its options, its subcommands, its streams, and the checks of what it is going to write."""
