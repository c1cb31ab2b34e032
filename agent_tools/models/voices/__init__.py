"""Who speaks: a vector for a voice, and the voices of one recording told apart."""
