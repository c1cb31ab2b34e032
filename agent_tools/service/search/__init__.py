"""The search over entries: recall, fusion, likeness, pictures."""
