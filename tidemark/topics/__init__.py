"""``tidemark topics``: topics, offsets, lag and dead letters of a Kafka broker, through kafka-python."""
