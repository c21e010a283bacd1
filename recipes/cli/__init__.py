"""The command line `zoo`, a file per group of commands."""
