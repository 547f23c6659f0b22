"""What goes wrong because of what the round was given."""


class Mistake(Exception):
    """Says what is wrong, in which file, and what to do; a user reads it."""
