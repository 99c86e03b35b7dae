"""The Faust transport: chunks, transactions, changelog tables. Knows nothing about orders."""
