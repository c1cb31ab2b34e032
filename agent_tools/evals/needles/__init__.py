"""Chains of facts hidden in a long film, answered over MCP."""
