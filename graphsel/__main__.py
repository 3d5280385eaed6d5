"""`python -m graphsel`: the command line, where the scripts' folder is not on the path."""

from graphsel.cli.main import main

if __name__ == "__main__":
    main()
