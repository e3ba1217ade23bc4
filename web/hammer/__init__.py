"""The hammer: many writers and readers on one log at once, and everything they are told is verified."""
