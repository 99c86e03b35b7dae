-- Is the pipeline taking commands, and how long until they are answered and stored?
WITH
    quantilesDDMergeIf(0.01, 0.5, 0.9, 0.99, 0.999)(decision_us, answer != '') AS answered,
    quantilesDDMerge(0.01, 0.5, 0.9, 0.99, 0.999)(sink_us) AS stored
SELECT
    sumIf(events, answer != '') AS commands_answered,
    round(100 * sumIf(events, answer = 'REJECTED') / commands_answered, 2) AS rejected_percent,
    round(answered[1] / 1000, 1) AS answered_within_p50_ms,
    round(answered[3] / 1000, 1) AS answered_within_p99_ms,
    round(stored[3] / 1000000, 2) AS stored_after_p99_s,
    (SELECT count() FROM dead_letters WHERE $__timeFilter(_timestamp)) AS dead_letters
FROM pipeline_latency_1m
WHERE $__timeFilter(minute)
HAVING commands_answered > 0;
