"""What users and the treasury ask for in one world: dozens of commands, among them repeats, races and nonsense."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgspec

from agents.routing import partition_of
from domain import money
from domain.messages import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    Command,
    Message,
    OrderCommand,
    OrderType,
    PauseOrder,
    PlaceOrder,
    ResumeOrder,
    Side,
    TimeInForce,
    Transfer,
    TransferDirection,
)
from schemas import codec, topics
from tests.simulation.venue import LOTS, NAME, PRICES, SYMBOLS

USERS: Final = ("alice", "bob", "carol", "dave")
FUNDS: Final = {"USD": 300_000 * money.ONE, "BTC": 5 * money.ONE, "ETH": 40 * money.ONE}
COMMANDS_MIN: Final = 30
COMMANDS_MAX: Final = 50
_SECOND_US: Final = 1_000_000

_KINDS: Final[tuple[dict[str, Any], ...]] = (
    {"order_type": OrderType.LIMIT},
    {"order_type": OrderType.LIMIT},
    {"order_type": OrderType.LIMIT, "post_only": True},
    {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC},
    {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK},
    {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTD},
    {"order_type": OrderType.MARKET},
    {"order_type": OrderType.STOP},
    {"order_type": OrderType.STOP_LIMIT},
)


class Upstream:
    """Writes commands and transfers to the log; what was written is acknowledged, and kept in *acknowledged*."""

    def __init__(self, world: Any) -> None:
        self.acknowledged: list[tuple[str, int, int, Message]] = []
        self._world = world
        self._dice: Random = world.dice
        self._orders: list[tuple[str, str]] = []
        self._numbers = 0

    def write(self, message: OrderCommand | Transfer) -> None:
        topic = (topics.ORDER_COMMANDS if isinstance(message, OrderCommand) else topics.TRANSFERS).name
        key = message.user_id.encode()
        partition = partition_of(key, self._world.partitions)
        offset = self._world.broker.append(topic, partition, key, codec.encode(message))
        self.acknowledged.append((topic, partition, offset, message))
        self._world.trace(f"upstream: {topic}[{partition}] {offset}: {_brief(message)}")

    def fund(self) -> None:
        for user in USERS:
            for asset, amount in FUNDS.items():
                self._transfer(user, asset, TransferDirection.CREDIT, amount)

    def ask(self) -> None:
        """One thing, by the dice."""
        asks, weights = zip(*_ASKS.items(), strict=True)
        self._dice.choices(asks, weights)[0](self)

    def _race(self) -> None:
        """An order, and right behind it something that wants it gone."""
        user, order_id = self._place()
        command = self._dice.choice((CancelOrder(order_id), PauseOrder(order_id), self._amendment(order_id)))
        self._world.later(self._dice.uniform(0, 0.3), self._command, user, command)

    def _cancel(self) -> None:
        user, order_id = self._known()
        self._command(user, CancelOrder(order_id))

    def _amend(self) -> None:
        user, order_id = self._known()
        self._command(user, self._amendment(order_id))

    def _pause(self) -> None:
        user, order_id = self._known()
        self._command(user, PauseOrder(order_id))

    def _resume(self) -> None:
        user, order_id = self._known()
        self._command(user, ResumeOrder(order_id))

    def _cancel_all(self) -> None:
        self._command(self._dice.choice(USERS), CancelAllOrders(self._dice.choice((None, *SYMBOLS))))

    def _repeat(self) -> None:
        self.write(self._dice.choice(self.acknowledged)[3])

    def _same_order_id(self) -> None:
        placed = [m for *_, m in self.acknowledged if isinstance(getattr(m, "command", None), PlaceOrder)]
        if placed:
            self.write(msgspec.structs.replace(self._dice.choice(placed), command_id=self._name("command")))

    def _move_money(self) -> None:
        dice = self._dice
        asset, funds = dice.choice(list(FUNDS.items()))
        direction = dice.choice(list(TransferDirection))
        self._transfer(dice.choice(USERS), asset, direction, funds // dice.randint(1, 20))

    def cancel_everything(self) -> None:
        for user in USERS:
            self._command(user, CancelAllOrders())

    def _place(self) -> tuple[str, str]:
        dice = self._dice
        user, order_id = dice.choice(USERS), self._name("order")
        symbol = dice.choice(SYMBOLS)
        lot, price = LOTS[symbol], PRICES[symbol] + dice.randint(-100, 100) * money.ONE
        terms = dict(dice.choice(_KINDS), side=dice.choice(list(Side)), symbol=symbol)
        terms["quantity"] = quantity = dice.randint(200, 20_000) * lot
        if terms["order_type"] in (OrderType.LIMIT, OrderType.STOP_LIMIT):
            terms["price"] = price
        elif terms["side"] is Side.BUY:
            terms["max_cost"] = money.multiply(price, quantity) * 11 // 10
        if terms["order_type"] in (OrderType.STOP, OrderType.STOP_LIMIT):
            terms["stop_price"] = price
        if terms.get("time_in_force") is TimeInForce.GTD:
            terms["good_till"] = self._world.true_us + dice.randint(2, 30) * _SECOND_US
        self._command(user, PlaceOrder(order_id=order_id, venue=NAME, **terms))
        self._orders.append((user, order_id))
        return user, order_id

    def _known(self) -> tuple[str, str]:
        """A user and one of the latest orders; not always that user's, nor always one."""
        user, order_id = self._dice.choice(self._orders[-12:] or [(USERS[0], "none")])
        return (user if self._dice.random() < 0.95 else self._dice.choice(USERS)), order_id

    def _amendment(self, order_id: str) -> AmendOrder:
        dice = self._dice
        symbol = dice.choice(SYMBOLS)
        price = PRICES[symbol] + dice.randint(-100, 100) * money.ONE
        quantity = dice.randint(200, 20_000) * LOTS[symbol]
        return AmendOrder(order_id, dice.choice((None, quantity)), dice.choice((None, price)))

    def _command(self, user: str, command: Command) -> None:
        expires_at = None
        if self._dice.random() < 0.15:
            expires_at = self._world.true_us + int(self._dice.uniform(-0.5, 12) * _SECOND_US)
        self.write(OrderCommand(self._name("command"), user, self._world.true_us, command, expires_at))

    def _transfer(self, user: str, asset: str, direction: TransferDirection, amount: int) -> None:
        self.write(Transfer(self._name("transfer"), user, asset, direction, amount, self._world.true_us))

    def _name(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}-{self._numbers}"


def _brief(message: OrderCommand | Transfer) -> str:
    if isinstance(message, Transfer):
        return f"{message.transfer_id} {message.user_id} {message.direction} {message.amount} {message.asset}"
    asked = message.command
    return f"{message.command_id} {message.user_id} {type(asked).__name__} {getattr(asked, 'order_id', '')}"


#: What is asked for, and how often.
_ASKS: Final[dict[Callable[[Upstream], object], int]] = {
    Upstream._place: 52,
    Upstream._race: 8,
    Upstream._cancel: 8,
    Upstream._amend: 8,
    Upstream._pause: 6,
    Upstream._resume: 6,
    Upstream._cancel_all: 2,
    Upstream._repeat: 6,
    Upstream._same_order_id: 2,
    Upstream._move_money: 4,
}
