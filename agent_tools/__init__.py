"""Hour-scale video for LLM agents over the Model Context Protocol.

Importing the package loads neither torch nor mcp: each part is imported where it is used.
"""

__version__ = "0.1.0"
