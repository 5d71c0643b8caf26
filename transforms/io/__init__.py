"""Sources and sinks: Kafka, files, InfluxDB, Parquet."""
