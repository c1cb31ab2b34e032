"""The films that the evaluations draw, and the real clips they are made of."""
