-- What had everybody of each asset at an instant?
--
-- Grain: one row an owner and asset with a posting by then. Owners: user:<user_id>, and the system's own clearing:<venue>
-- (the counterpart of trades), fees:<venue> and treasury. Over all owners an asset's total is zero, at any instant.
SELECT *
FROM balances_at(instant = {instant:DateTime64(6, 'UTC')})
ORDER BY owner, asset;
