"""Version 1: the first tables. Made by `Log.create` of its time; no database is brought here by a step."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: a log of this version exists already."""
