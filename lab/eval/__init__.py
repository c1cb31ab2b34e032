"""Evaluations that need the shared clips: questions as people ask them, with the spans that answer them."""
