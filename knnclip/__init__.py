"""knnclip."""
