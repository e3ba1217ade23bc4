"""Conversion of float checkpoints to `.rail` files: the only place of this package with floating point."""
