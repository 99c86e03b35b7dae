"""What travels: the Avro schemas, the topics, and the codec between bytes and ``domain`` values."""
