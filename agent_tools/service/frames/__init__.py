"""Pictures of a span: which frames stand for it."""
