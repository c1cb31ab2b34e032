"""Video language models, local or behind an endpoint: prompts, tokens, answers."""
