-- A view that was changed in place goes by another name in insert tokens once the server has started anew (ClickHouse
-- 26.9): what was stored before, and comes once more after, is counted twice. So the one of order events is made anew.
-- Sinks that run meanwhile have to be stopped: between the two statements nobody counts.

DROP VIEW IF EXISTS order_events_1m_mv_v1 SYNC;

CREATE MATERIALIZED VIEW IF NOT EXISTS order_events_1m_mv_v2 TO order_events_1m AS
SELECT toStartOfMinute(occurred_at) AS minute, venue, symbol, kind, answer, reason, count() AS events
FROM order_events AS e
WHERE NOT startsWith(user_id, 'canary:')
GROUP BY minute, venue, symbol, kind, answer, reason;
