"""Public benchmarks of multiple-choice questions about long video, each on its official file."""
