"""Checks of the money: entries balance, accounts are what was posted to them, and nobody has less than nothing."""

from collections import Counter
from collections.abc import Iterator

from runtime.trial import wire
from runtime.trial.oracle.evidence import LEDGER_ENTRIES, Check, Evidence, amount_of


def entries_balance(evidence: Evidence) -> Check:
    """The postings of each entry sum to zero per asset."""
    entries = evidence.fields(LEDGER_ENTRIES)

    def faults() -> Iterator[str]:
        for entry in entries:
            sums: Counter[str] = Counter()
            for posting in entry["postings"]:
                sums[posting["asset"]] += amount_of(posting)
            if any(sums.values()):
                yield f"{entry['kind']} {entry['reference']} is off by {dict(sums)}"

    return Check("entries_balance", f"{len(entries)} entries", tuple(faults()))


def imbalance(evidence: Evidence) -> dict[str, str]:
    """Per asset, what all accounts together have: a numeral, and ``0`` in a ledger that balances."""
    sums: dict[str, int] = {}
    for (_, asset), (available, reserved) in evidence.replayed.items():
        sums[asset] = sums.get(asset, 0) + available + reserved
    return {asset: wire.numeral(total) for asset, total in sorted(sums.items())}


def ledger_balances_per_asset(evidence: Evidence) -> Check:
    """Over all accounts, users' and the system's own, each asset sums to zero."""
    sums = imbalance(evidence)
    faults = tuple(f"{asset} is off by {total}" for asset, total in sums.items() if total != "0")
    return Check("ledger_balances_per_asset", f"{len(sums)} assets, {len(evidence.replayed)} accounts", faults)


def tables_equal_the_ledger(evidence: Evidence) -> Check:
    """The balances that the workers would restore are the sums of what was posted."""
    return Check(
        "tables_equal_the_ledger",
        f"{len(evidence.tables.balances)} balances",
        tuple(_differences(evidence, "table", dict(evidence.tables.balances))),
    )


def clickhouse_balances_equal_the_ledger(evidence: Evidence) -> Check:
    """The balances that analysts see, and the totals that were kept while rows came in, are the sums of postings."""
    faults = (
        *_differences(evidence, "view of balances", dict(evidence.rows.balances)),
        *_differences(evidence, "kept totals", dict(evidence.rows.totals)),
    )
    return Check("clickhouse_balances_equal_the_ledger", f"{len(evidence.rows.balances)} balances", faults)


def _differences(evidence: Evidence, where: str, found: dict[tuple[str, str], tuple[int, int]]) -> Iterator[str]:
    nothing = (0, 0)
    for account in sorted(found.keys() | evidence.replayed.keys()):
        posted, has = evidence.replayed.get(account, nothing), found.get(account, nothing)
        if posted != has:
            yield f"{account}: {posted} posted, {has} in the {where}"


def no_user_has_less_than_nothing(evidence: Evidence) -> Check:
    """Neither side of a user's account is negative."""
    users = {account: sides for account, sides in evidence.replayed.items() if account[0].startswith("user:")}
    faults = tuple(f"{account} has {sides}" for account, sides in users.items() if min(sides) < 0)
    return Check("no_user_has_less_than_nothing", f"{len(users)} accounts of users", faults)


def reserves_belong_to_live_orders(evidence: Evidence) -> Check:
    """What was reserved for an order and neither spent nor given back belongs to an order that has not ended."""
    left: Counter[tuple[str, str]] = Counter()
    for entry in evidence.fields(LEDGER_ENTRIES):
        if "order_id" in entry:
            postings = [posting for posting in entry["postings"] if posting["account"] == "RESERVED"]
            left[entry["user_id"], entry["order_id"]] += sum(map(amount_of, postings))

    def faults() -> Iterator[str]:
        for name, reserve in left.items():
            status = evidence.orders[name][-1].get("status") if name in evidence.orders else "not known"
            if reserve < 0 or (reserve and status in wire.ENDED):
                yield f"order {name} is {status} with {reserve} reserved"

    return Check("reserves_belong_to_live_orders", f"{len(left)} orders", tuple(faults()))


def transfers_are_booked_once(evidence: Evidence) -> Check:
    """Each transfer that was accepted is one entry of its amount, and no other entry moves the treasury's money so."""
    booked = [entry for entry in evidence.fields(LEDGER_ENTRIES) if entry["kind"] in {"CREDIT", "DEBIT"}]
    expected: Counter[tuple[str, ...]] = Counter()
    for record in evidence.records.get("transfers", ()):
        if record.fields and any(answer["answer"] == "ACCEPTED" for answer in evidence.answers.get(record.at, ())):
            fields = record.fields
            amount = wire.units(fields["amount"]) * (1 if fields["direction"] == "CREDIT" else -1)
            expected[fields["user_id"], fields["transfer_id"], fields["asset"], str(amount)] += 1
    found: Counter[tuple[str, ...]] = Counter(
        (entry["user_id"], entry["reference"], posting["asset"], str(amount_of(posting)))
        for entry in booked
        for posting in entry["postings"]
        if posting["owner"] == f"user:{entry['user_id']}"
    )
    faults = [
        f"{name} was accepted {expected[name]} times, booked {found[name]}"
        for name in expected.keys() | found.keys()
        if expected[name] != found[name]
    ]
    return Check("transfers_are_booked_once", f"{len(booked)} transfers booked", tuple(faults))
