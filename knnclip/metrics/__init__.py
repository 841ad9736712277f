"""Scores of answers against the truth, whoever gave them."""
