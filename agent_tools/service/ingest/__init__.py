"""Ingest jobs: how they are queued, and what is said of their state."""
