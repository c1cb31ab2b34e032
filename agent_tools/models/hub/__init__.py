"""Where weights come from: names, folders, downloads, checks."""
