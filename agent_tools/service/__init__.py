"""What the tools do: names, searches, looks, verdicts and notes as replies cut to size.

Knows every part below. Knows nothing of MCP. Nothing is imported here: models and media come when they are needed."""
