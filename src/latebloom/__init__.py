"""A laboratory for grokking: train, measure, find the phases, take the circuit apart."""

__version__ = "0.1.0"
