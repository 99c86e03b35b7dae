"""The order state machine: which trigger moves an order from which status to which, and nothing else.

Rule 1: everything that may change a status is a row of TRANSITIONS. A pair that is missing has a meaning: a command is
refused (``domain.commands`` names the reason), a report is stale and changes no status. A fill moves the ledger in
every status.

Rule 2: UNKNOWN is left by proof alone: the venue's word that the order exists or is refused, a trade, or a quorum of
look-ups that found nothing after the venue could no longer execute it.
"""

from enum import StrEnum
from typing import Final

from domain.messages import OrderStatus

NEW = OrderStatus.NEW
PENDING_SUBMISSION = OrderStatus.PENDING_SUBMISSION
OPEN = OrderStatus.OPEN
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
PENDING_CANCEL = OrderStatus.PENDING_CANCEL
PAUSED = OrderStatus.PAUSED
UNKNOWN = OrderStatus.UNKNOWN
FILLED = OrderStatus.FILLED
CANCELED = OrderStatus.CANCELED
EXPIRED = OrderStatus.EXPIRED
REJECTED = OrderStatus.REJECTED

TERMINAL: Final = frozenset({FILLED, CANCELED, EXPIRED, REJECTED})
LIVE: Final = frozenset(OrderStatus) - TERMINAL - {NEW}


class Trigger(StrEnum):
    # commands
    PLACE = "place"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    AMEND = "amend"
    # facts
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGED_PARTIAL = "acknowledged, partially filled"
    PARTIAL_FILL = "partial fill"
    LAST_FILL = "last fill"
    VENUE_REJECTED = "rejected"
    LEFT_BOOK = "canceled"
    PAUSE_DONE = "canceled to pause"
    RESUBMIT = "placed again"
    EXPIRY = "expired"
    CANCEL_FAILED = "cancel rejected"
    CANCEL_FAILED_PARTIAL = "cancel rejected, partially filled"
    OUTCOME_LOST = "outcome unknown"
    CANCEL_CARRIED_OVER = "acknowledged, cancel wanted"


T = Trigger
TRANSITIONS: Final[dict[tuple[OrderStatus, Trigger], OrderStatus]] = {
    (NEW, T.PLACE): PENDING_SUBMISSION,
    # waiting for the venue's answer
    (PENDING_SUBMISSION, T.ACKNOWLEDGED): OPEN,
    (PENDING_SUBMISSION, T.ACKNOWLEDGED_PARTIAL): PARTIALLY_FILLED,  # an earlier attempt has traded
    (PENDING_SUBMISSION, T.PARTIAL_FILL): PARTIALLY_FILLED,  # the stream may overtake the response
    (PENDING_SUBMISSION, T.LAST_FILL): FILLED,
    (PENDING_SUBMISSION, T.VENUE_REJECTED): REJECTED,
    (PENDING_SUBMISSION, T.LEFT_BOOK): CANCELED,  # by the venue, or canceled while queued in the gateway
    (PENDING_SUBMISSION, T.EXPIRY): EXPIRED,
    (PENDING_SUBMISSION, T.OUTCOME_LOST): UNKNOWN,
    (PENDING_SUBMISSION, T.CANCEL): PENDING_CANCEL,
    (PENDING_SUBMISSION, T.PAUSE): PENDING_CANCEL,
    (PENDING_SUBMISSION, T.AMEND): PENDING_CANCEL,
    # on the book
    (OPEN, T.PARTIAL_FILL): PARTIALLY_FILLED,
    (OPEN, T.LAST_FILL): FILLED,
    (OPEN, T.VENUE_REJECTED): REJECTED,  # some venues accept first and refuse later
    (OPEN, T.LEFT_BOOK): CANCELED,
    (OPEN, T.EXPIRY): EXPIRED,
    (OPEN, T.CANCEL): PENDING_CANCEL,
    (OPEN, T.PAUSE): PENDING_CANCEL,
    (OPEN, T.AMEND): PENDING_CANCEL,
    (PARTIALLY_FILLED, T.PARTIAL_FILL): PARTIALLY_FILLED,
    (PARTIALLY_FILLED, T.LAST_FILL): FILLED,
    (PARTIALLY_FILLED, T.LEFT_BOOK): CANCELED,
    (PARTIALLY_FILLED, T.EXPIRY): EXPIRED,
    (PARTIALLY_FILLED, T.CANCEL): PENDING_CANCEL,
    (PARTIALLY_FILLED, T.PAUSE): PENDING_CANCEL,
    (PARTIALLY_FILLED, T.AMEND): PENDING_CANCEL,
    # a cancel is on its way: to end the order, to pause it, or to amend it
    (PENDING_CANCEL, T.PARTIAL_FILL): PENDING_CANCEL,
    (PENDING_CANCEL, T.LAST_FILL): FILLED,
    (PENDING_CANCEL, T.LEFT_BOOK): CANCELED,
    (PENDING_CANCEL, T.PAUSE_DONE): PAUSED,
    (PENDING_CANCEL, T.RESUBMIT): PENDING_SUBMISSION,
    (PENDING_CANCEL, T.EXPIRY): EXPIRED,
    (PENDING_CANCEL, T.VENUE_REJECTED): REJECTED,  # the placement itself was refused: nothing left to cancel
    (PENDING_CANCEL, T.CANCEL_FAILED): OPEN,
    (PENDING_CANCEL, T.CANCEL_FAILED_PARTIAL): PARTIALLY_FILLED,
    (PENDING_CANCEL, T.OUTCOME_LOST): UNKNOWN,  # the placement timed out before the cancel was sent
    (PENDING_CANCEL, T.CANCEL): PENDING_CANCEL,  # turns a pause or an amendment into a cancel
    # held back here, the reserve kept
    (PAUSED, T.RESUME): PENDING_SUBMISSION,
    (PAUSED, T.CANCEL): CANCELED,  # nothing is at the venue: no call
    (PAUSED, T.AMEND): PAUSED,
    (PAUSED, T.EXPIRY): EXPIRED,
    (PAUSED, T.PARTIAL_FILL): PAUSED,  # a trade that the venue reports after the cancel
    (PAUSED, T.LAST_FILL): FILLED,
    # a timeout is not a failure
    (UNKNOWN, T.ACKNOWLEDGED): OPEN,
    (UNKNOWN, T.ACKNOWLEDGED_PARTIAL): PARTIALLY_FILLED,
    (UNKNOWN, T.CANCEL_CARRIED_OVER): PENDING_CANCEL,
    (UNKNOWN, T.PARTIAL_FILL): PARTIALLY_FILLED,
    (UNKNOWN, T.LAST_FILL): FILLED,
    (UNKNOWN, T.VENUE_REJECTED): REJECTED,
    (UNKNOWN, T.LEFT_BOOK): CANCELED,
    (UNKNOWN, T.PAUSE_DONE): PAUSED,
    (UNKNOWN, T.EXPIRY): EXPIRED,
    (UNKNOWN, T.RESUBMIT): PENDING_SUBMISSION,
    (UNKNOWN, T.CANCEL): UNKNOWN,  # remembered, and tried at the venue; only proof ends the order
    # ended, yet the venue may still say that it traded
    (FILLED, T.LAST_FILL): FILLED,  # more than the order asked for: booked, and visible as an overfill
    (CANCELED, T.PARTIAL_FILL): CANCELED,
    (CANCELED, T.LAST_FILL): FILLED,
    (EXPIRED, T.PARTIAL_FILL): EXPIRED,
    (EXPIRED, T.LAST_FILL): FILLED,
    (REJECTED, T.PARTIAL_FILL): REJECTED,
    (REJECTED, T.LAST_FILL): FILLED,
}


def after(status: OrderStatus, trigger: Trigger) -> OrderStatus | None:
    """The status that *trigger* leads to, or None where the table has no such row."""
    return TRANSITIONS.get((status, trigger))
