"""The viewer: one page that shows videos, in a chat client as an MCP App and in a browser over HTTP.

Knows who may have the page, what it may call, and how it gets a file's bytes. What it shows is in service/viewer."""
