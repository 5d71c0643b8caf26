"""Wire formats of ``metrics.raw``: each codec turns one record's bytes into samples."""
