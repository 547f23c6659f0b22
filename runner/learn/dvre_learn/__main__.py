"""`python -m dvre_learn`."""

from dvre_learn.command import main

main()
