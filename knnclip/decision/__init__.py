"""Neighbours, and what a base classifier says, into an answer."""
