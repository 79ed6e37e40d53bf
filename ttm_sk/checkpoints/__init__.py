"""Weights on disk: one safetensors file that says what it is, where it came from and how to build it."""
