"""`python -m web.cli`: the same as `rail`."""

from web.cli import main

main()
