-- Is every record stored once, in one table only? No rows when all is well.
--
-- Rows are counted first, and their offsets as bitmaps, which takes little memory however many there are; single records
-- are looked at only where the two differ.
WITH repeated AS
(
    SELECT _topic, _partition, line
    FROM stored_records
    GROUP BY _topic, _partition, line
    HAVING count() != groupBitmap(_offset)
)
SELECT
    _topic,
    _partition,
    _offset,
    line,
    count() AS times,
    groupUniqArray(table) AS tables
FROM stored_records
WHERE (_topic, _partition, line) IN repeated
GROUP BY _topic, _partition, _offset, line
HAVING times > 1
ORDER BY _topic, _partition, _offset, line
LIMIT 1000;
