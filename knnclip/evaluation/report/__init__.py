"""The results of an evaluation for people: tables, charts, pictures, one HTML page."""
