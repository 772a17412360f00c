"""The functions that make figures, by what they look at."""
