"""The product seen from outside: an MCP client, scripted agents, and the demo video they are shown with.

Its modules are imported where they are used: the story needs nothing, the video PyAV, the agents the MCP client."""
