-- Is every record stored once, in one table only? No rows when all is well.
SELECT
    _topic,
    _partition,
    _offset,
    line,
    count() AS times,
    groupUniqArray(table) AS tables
FROM stored_records
GROUP BY _topic, _partition, _offset, line
HAVING times > 1
ORDER BY _topic, _partition, _offset, line
LIMIT 1000;
