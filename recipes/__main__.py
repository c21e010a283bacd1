"""`python -m recipes` is the command line `zoo`."""

from recipes.cli.main import main

if __name__ == "__main__":
    main()
