"""Settings, Kafka clients, embedded services, telemetry, and the ``fillstream`` command."""
