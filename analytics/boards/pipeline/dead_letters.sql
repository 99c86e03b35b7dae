-- What could nobody take, whose record was it, and when did it last happen?
SELECT
    source_topic AS topic,
    stage,
    reason,
    count() AS letters,
    min(occurred_at) AS first,
    max(occurred_at) AS last
FROM dead_letters FINAL
WHERE $__timeFilter(_timestamp)
GROUP BY topic, stage, reason
ORDER BY letters DESC, topic, stage, reason
LIMIT 50;
