"""The core: money, messages, the order state machine, the ledger, decisions. No I/O, no clock, no randomness."""
