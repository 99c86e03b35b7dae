-- What a client order ID is for at the venue, which an amendment makes less.

ALTER TABLE venue_reports
    ADD COLUMN IF NOT EXISTS order_quantity Nullable(Decimal(38, 18)) CODEC(ZSTD(1)) AFTER cumulative_quantity;
