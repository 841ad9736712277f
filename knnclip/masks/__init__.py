"""Frozen mask generators, and what turns a person's gesture into a mask."""
