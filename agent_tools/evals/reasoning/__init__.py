"""Multi-hop questions over an assembled hour, with controls at chance."""
