"""Who speaks: a vector for a voice, and and the distinct voices of one recording."""
