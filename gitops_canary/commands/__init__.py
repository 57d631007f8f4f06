"""The command line's subcommands, each a small function in a file of its own."""
