"""`python -m web.cli`: the same as `rail`."""

from web.cli import main

if __name__ == "__main__":  # the processes that check a log import this again
    main()
