"""ClickHouse's engine in a process of its own, behind ClickHouse's own HTTP protocol."""
