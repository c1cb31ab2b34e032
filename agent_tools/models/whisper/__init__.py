"""How speech becomes entries: stretches of sound, a Whisper decoder, entries by word times, and lite's own weights.

Knows samples, times and one Whisper model. Knows nothing of files with sound, stores or downloads."""
