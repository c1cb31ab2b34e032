"""One file per channel: what is read, seen or heard of a film becomes entries."""
