"""Recall of matching at fixed false-positive rates, by edit, length and class of negatives: `rail bench matching`."""
