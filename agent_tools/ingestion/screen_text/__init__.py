"""From still pictures to on-screen text: which pictures are read, and what they say."""
