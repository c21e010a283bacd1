"""Runs the command line `zoo` as `python -m recipes`."""

from recipes.cli.main import main

if __name__ == "__main__":
    main()
