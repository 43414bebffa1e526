"""Probabilistic record linkage: which profiles are one person, told by values that are merely alike."""
