"""Claims of the papers tried at a tiny scale, with models trained in seconds."""
