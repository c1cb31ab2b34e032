"""From a file to memory: decode, encode, compress, segment, write; and the processes that do it.

Knows media, models, engines and store. Knows nothing of clients or MCP. Nothing is imported here: the server reads the
light modules at start."""
