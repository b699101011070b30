"""`python -m datasyncd`: the same as the `datasyncd` command."""

from datasyncd.daemon.cli import main

if __name__ == "__main__":
    main()
