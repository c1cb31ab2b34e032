"""The models behind the channels: sentence and frame vectors, speech, text on pictures, captions; loaded when asked.

`profiles` chooses and makes them; nothing is imported here, so that threads may import any module first."""
