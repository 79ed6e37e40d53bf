"""Forecasters measured: GIFT-Eval by its own protocol, and tables beside published models."""
