"""What stands in every reply: coverage, hints, and the cut to its tokens."""
