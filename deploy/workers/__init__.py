"""What runs beside Flink: the pool that starts Python workers."""
