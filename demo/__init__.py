"""The web demo of knnclip: a skin over the package, with no logic of its own."""
