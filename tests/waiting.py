"""How long a test waits for an event before it fails. It is much more than the event takes on a busy machine."""

PATIENCE_S = 60.0
