"""Measurements of the engine: alone, and beside llama.cpp on models of the same shape with random weights."""
