"""A self-contained HTML report of what a run put into the Parquet store: charts, the accounting of every record, and what was refused."""
