"""What all tools share: the store, access rules, workers, loaded models and videos."""
