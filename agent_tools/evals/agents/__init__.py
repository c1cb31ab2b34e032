"""Scripted and model-driven agents that use the server as any MCP client would."""
