"""What Binance's API says of itself and of an account: symbols with their filters, limits, balances."""

from collections.abc import Iterable

from domain import money
from domain.instruments import Instrument
from venue_gateways.simulator.binance import payloads
from venue_gateways.simulator.binance.limits import Limit
from venue_gateways.simulator.binance.parameters import TYPES
from venue_gateways.simulator.orders import Fees, SelfTrade
from venue_gateways.simulator.venue import Account, Rules


def exchange_info(
    instruments: Iterable[Instrument], limits: Iterable[Limit], rules: Rules, now: int
) -> payloads.Payload:
    return {
        "timezone": "UTC",
        "serverTime": now // payloads.MILLISECOND,
        "rateLimits": [limit.payload() for limit in limits],
        "exchangeFilters": [],
        "symbols": [_symbol(instrument, rules) for instrument in instruments],
    }


def _symbol(instrument: Instrument, rules: Rules) -> payloads.Payload:
    precision = {"baseAssetPrecision": 8, "quotePrecision": 8, "quoteAssetPrecision": 8}
    return {
        "symbol": payloads.symbol_name(instrument.symbol),
        "status": "TRADING",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        **precision,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(TYPES.values()),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(instrument, rules),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": str(SelfTrade.NONE),
        "allowedSelfTradePreventionModes": [str(mode) for mode in SelfTrade],
    }


def _filters(instrument: Instrument, rules: Rules) -> list[payloads.Payload]:
    lot = {
        "minQty": payloads.amount(instrument.quantity_min),
        "maxQty": payloads.amount(instrument.quantity_max),
        "stepSize": payloads.amount(instrument.lot_size),
    }
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": payloads.amount(instrument.tick_size),
            "maxPrice": payloads.amount(instrument.price_max),
            "tickSize": payloads.amount(instrument.tick_size),
        },
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **lot},
        {
            "filterType": "NOTIONAL",
            "minNotional": payloads.amount(instrument.notional_min),
            "applyMinToMarket": True,
            "maxNotional": payloads.amount(money.multiply(instrument.price_max, instrument.quantity_max)),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.open_orders_max},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.trigger_orders_max},
    ]


def account_information(account: Account, fees: Fees, assets: Iterable[str], unit: int) -> payloads.Payload:
    """The balances of all *assets* the venue has, in the order given."""
    updated_at = max((order.updated_at for order in account.open.values()), default=0)
    rates = {
        "maker": payloads.amount(fees.maker_rate),
        "taker": payloads.amount(fees.taker_rate),
        "buyer": payloads.ZERO,
        "seller": payloads.ZERO,
    }
    points = 10**14  # one hundredth of a percent
    return {
        "makerCommission": fees.maker_rate // points,
        "takerCommission": fees.taker_rate // points,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_at // unit,
        "accountType": "SPOT",
        "balances": [
            {
                "asset": asset,
                "free": payloads.amount(account.balance(asset).free),
                "locked": payloads.amount(account.balance(asset).locked),
            }
            for asset in assets
        ],
        "permissions": ["SPOT"],
    }
