"""The public functions: one for each operation, argument for argument what the command line offers."""
