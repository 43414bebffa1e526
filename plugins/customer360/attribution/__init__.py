"""What brought customers: the conversions that touches are credited for, and the exact Markov model."""
