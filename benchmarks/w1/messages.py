"""The records of W1 as the lane's codec has them: a class for each schema in ``benchmarks/w1/schemas``."""

from enum import StrEnum

from domain.messages import Message


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class PlaceOrder(Message, frozen=True):
    command_id: str
    user_id: str
    order_id: str
    symbol: str
    side: Side
    type: OrderType
    price: str
    quantity: str
    time_in_force: TimeInForce
    ts: int


class OrderEvent(Message, frozen=True):
    event_id: str
    command_id: str
    user_id: str
    order_id: str
    symbol: str
    side: Side
    status: Status
    price: str
    quantity: str
    asset: str
    reserved: int
    available: int
    ts: int


class VenueRequest(Message, frozen=True):
    request_id: str
    order_id: str
    user_id: str
    venue: str
    symbol: str
    side: Side
    type: OrderType
    price: str
    quantity: str
    time_in_force: TimeInForce
    ts: int


class OrderState(Message, frozen=True):
    order_id: str
    user_id: str
    symbol: str
    side: Side
    type: OrderType
    price: str
    quantity: str
    time_in_force: TimeInForce
    status: Status
    asset: str
    reserved: int
    ts: int


class Balance(Message, frozen=True):
    available: int
    reserved: int


class Seen(Message, frozen=True):
    ts: int
