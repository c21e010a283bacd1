"""The command line `zoo`, one file per group of commands."""
