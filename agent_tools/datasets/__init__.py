"""The files of public data sets about video, and our own simple one, each read as it is."""
