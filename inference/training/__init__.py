"""Training of the shipped default model: float code, used offline, never at run time."""
