"""The server seen from outside: MCP clients, scripted agents, and the films and questions that measure it.

Knows the server as a client knows it, and every number that README shows. Knows nothing of how the server works
inside. Import its modules where you use them: some need PyAV, torch or an MCP client."""
