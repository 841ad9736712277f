"""CLIP models of open_clip: their image tower as an encoder, their text tower as a zero-shot classifier."""
