"""Evidence for and against an event, and the verdict drawn from it."""
