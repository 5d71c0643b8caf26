"""``tidemark store``: list and maintain a Parquet store."""
