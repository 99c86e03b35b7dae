-- Why was something refused, how often, and which share is it of all that was refused?
--
-- Grain: one row a reason, kind of refusal and venue, from since until before until. COMMAND_REJECTED: by us, before
-- anything was sent (the venue is empty if the command names none that we know); ORDER_REJECTED and CANCEL_REJECTED: by
-- the venue. Probes' commands are left out.
SELECT
    reason,
    kind,
    venue,
    count() AS refused,
    uniqExact(user_id) AS users,
    round(100 * refused / sum(refused) OVER (), 2) AS percent
FROM order_events FINAL
WHERE (answer = 'REJECTED' OR kind IN ('ORDER_REJECTED', 'CANCEL_REJECTED'))
    AND NOT startsWith(user_id, 'canary:')
    AND occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY reason, kind, venue
ORDER BY refused DESC, reason, kind, venue;
