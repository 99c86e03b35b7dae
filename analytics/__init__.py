"""From Kafka to ClickHouse, and the questions that analysts and SREs ask there."""
