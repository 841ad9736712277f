"""Answers as pictures and files."""
