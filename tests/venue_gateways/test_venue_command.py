"""``fillstream venue``: what it prints is what an adapter would send, and what the venues' documents print."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from runtime import __main__ as command
from runtime.commands import running
from runtime.settings import SettingsError
from venue_gateways import venues
from venue_gateways.debugging import dialects
from venue_gateways.debugging.sign import instant_us

#: Published beside the examples below: rest-api.md, "SIGNED request example"; "Spot REST Authentication".
BINANCE = (
    'key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"\n'
    'secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"\n'
)
KRAKEN = (
    'key = "kraken-key"\n'
    'secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="\n'
)
ORDER = {"symbol": "BTC-USD", "side": "BUY", "order_type": "LIMIT", "quantity": "1.25", "price": "37500"}


def coinbase_keys() -> str:
    key = generate_private_key(SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return f'key = "organizations/o/apiKeys/k"\nsecret = """\n{pem}"""\n'


@pytest.fixture
def keys(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "credentials.toml"
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o400)
        return str(path)

    return write


@pytest.fixture
def invoke(monkeypatch):
    """Runs ``fillstream venue`` here; its log would go to a stream that ends with the call."""
    monkeypatch.setattr(running.telemetry, "configure_logging", lambda *_: None)
    return lambda *words: CliRunner().invoke(command.app, ["venue", *words])


@pytest.fixture
def order(tmp_path):
    def write(**changes: object) -> str:
        path = tmp_path / "order.json"
        path.write_text(json.dumps(ORDER | changes))
        return str(path)

    return write


# ── sign ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (
            {
                "--query": "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
                "&timestamp=1499827319559"
            },
            "query   &",
        ),
        (
            {
                "--body": "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
                "&timestamp=1499827319559"
            },
            "body    &",
        ),
        (
            {
                "--query": "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000",
                "--time": "1499827319559",
            },
            "query   &timestamp=1499827319559&",
        ),
    ],
)
@pytest.mark.parametrize("venue", ["binance", "simulated"])
def test_binance_s_published_example_comes_out_wherever_its_parameters_are(invoke, keys, venue, options, where):
    words = [word for option in options.items() for word in option]
    shown = invoke("sign", venue, "--path", "/api/v3/order", "--credentials", keys(BINANCE), *words).output
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    header = "header  X-MBX-APIKEY: vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    assert shown.splitlines() == [f"{where}signature={signature}", header]


KRAKEN_BODY = "ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
KRAKEN_SIGNATURE = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


def test_kraken_s_published_example_comes_out_with_the_nonce_in_the_body_or_put_there(invoke, keys):
    words = ("sign", "kraken", "--method", "POST", "--path", "/0/private/AddOrder", "--credentials", keys(KRAKEN))
    headers = ["header  API-Key: kraken-key", f"header  API-Sign: {KRAKEN_SIGNATURE}"]
    shown = invoke(*words, "--body", f"nonce=1616492376594&{KRAKEN_BODY}")
    assert shown.output.splitlines() == headers
    added = invoke(*words, "--body", KRAKEN_BODY, "--nonce", "7").output.splitlines()
    inside = invoke(*words, "--body", f"{KRAKEN_BODY}&nonce=7").output.splitlines()
    assert added == ["body    &nonce=7", *inside]


def test_kraken_s_json_bodies_have_their_nonce_inside(invoke, keys):
    words = ("sign", "kraken", "--path", "/0/private/AddOrderBatch", "--credentials", keys(KRAKEN))
    assert len(invoke(*words, "--body", '{"nonce": 7}').output.splitlines()) == 2
    refused = invoke(*words, "--body", "{}", "--nonce", "7")
    assert (refused.exit_code, '"nonce": 7' in refused.output) == (2, True)


def test_coinbase_s_token_names_method_host_and_path_and_instant(invoke, keys):
    path = keys(coinbase_keys())
    words = ("--path", "/api/v3/brokerage/orders", "--method", "post", "--nonce", "ab", "--time", "1800000000")
    shown = invoke("sign", "coinbase", *words, "--credentials", path).output
    where, token = shown.strip().split("Authorization: Bearer ")
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert where == "header  "
    assert (head["kid"], head["nonce"]) == ("organizations/o/apiKeys/k", "ab")
    assert claims["uri"] == "POST api.coinbase.com/api/v3/brokerage/orders"
    assert claims["nbf"] == 1_800_000_000


def test_an_instant_is_told_by_its_digits():
    assert instant_us("1800000000") == instant_us("1800000000000") == instant_us("1800000000000000")
    assert instant_us("2027-01-15T08:00:00Z") == instant_us("2027-01-15T08:00:00") == 1_800_000_000_000_000
    with pytest.raises(SettingsError, match="is no instant"):
        instant_us("soon")


def test_what_can_t_be_signed_ends_with_wrong_usage_and_no_secret(invoke, keys):
    refused = invoke("sign", "kraken", "--path", "/", "--credentials", keys('key = "k"\nsecret = "hush-hush-hush"\n'))
    assert refused.exit_code == 2
    assert "hush" not in refused.output
    assert invoke("sign", "nowhere", "--path", "/").exit_code == 2


# ── request ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_request_is_what_the_adapter_sends(invoke, keys, order):
    words = ("--time", "1800000000", "--symbol", "BTCUSDT", "--credentials", keys(BINANCE))
    first, *headers = invoke("request", "binance", "--order", order(), *words).output.splitlines()
    method, url = first.split(" ")
    fields = parse_qs(urlsplit(url).query)
    assert (method, urlsplit(url).netloc, urlsplit(url).path) == ("POST", "api.binance.com", "/api/v3/order")
    assert fields["symbol"] == ["BTCUSDT"]
    assert (fields["quantity"], fields["price"], fields["timestamp"]) == (["1.25"], ["37500"], ["1800000000000"])
    assert headers == ["X-MBX-APIKEY: vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"]


def test_each_venue_s_request_is_signed_as_its_adapter_does(invoke, keys, order):
    words = ("--order", order(), "--time", "1800000000")
    kraken = invoke("request", "kraken", *words, "--credentials", keys(KRAKEN)).output
    head, body = kraken.split("\n\n")
    signed = invoke(
        *("sign", "kraken", "--method", "POST", "--path", "/0/private/AddOrder", "--body", body.strip()),
        *("--credentials", keys(KRAKEN)),
    ).output
    assert head.splitlines()[0] == "POST https://api.kraken.com/0/private/AddOrder"
    assert {f"header  {line}" for line in head.splitlines()} >= set(signed.splitlines())
    assert "pair=XBTUSD" in body
    coinbase = invoke("request", "coinbase", *words, "--credentials", keys(coinbase_keys())).output
    assert coinbase.startswith("POST https://api.coinbase.com/api/v3/brokerage/orders\n")
    assert json.loads(coinbase.partition("\n\n")[2])["product_id"] == "BTC-USD"


def test_a_cancel_by_the_venue_s_own_id_needs_it(invoke, keys, order):
    words = ("request", "coinbase", "--order", order(operation="CANCEL"), "--credentials", keys(coinbase_keys()))
    refused = invoke(*words)
    assert (refused.exit_code, "--venue-order-id" in refused.output) == (2, True)
    assert '"order-7"' in invoke(*words, "--venue-order-id", "order-7").output


@pytest.mark.parametrize(("operation", "method"), [("CANCEL", "DELETE"), ("QUERY", "GET")])
def test_cancels_and_queries_are_shown_too(invoke, keys, order, operation, method):
    shown = invoke("request", "binance", "--order", order(operation=operation), "--credentials", keys(BINANCE))
    assert shown.output.startswith(f"{method} https://api.binance.com/api/v3/order?symbol=BTCUSD&")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": 1.25}, "VenueRequest.quantity"),
        ({"side": "HOLD"}, "VenueRequest.side"),
        ({"colour": "red"}, "has no field colour"),
    ],
)
def test_an_order_that_is_none_is_refused_with_the_place(invoke, keys, order, changes, message):
    refused = invoke("request", "binance", "--order", order(**changes), "--credentials", keys(BINANCE))
    assert refused.exit_code == 2
    assert message in refused.output


# ── list and seal ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_venue_is_listed_and_can_be_looked_at(invoke):
    listed = json.loads(invoke("list", "--json").output)
    assert [each["venue"] for each in listed] == sorted(dialects.DIALECTS) == sorted(venues.VENUES)
    assert all(each["limits"] and each["executes_for_s"] > 0 for each in listed)
    shown = invoke("list").output
    assert all(name in shown for name in venues.VENUES)


def test_a_sealed_file_of_credentials_is_one_that_can_be_used(invoke, keys, tmp_path):
    passphrase, sealed = tmp_path / "passphrase", tmp_path / "keys"
    passphrase.write_text("correct horse battery\n")
    passphrase.chmod(0o400)
    plain = keys(BINANCE)
    words = ("seal", plain, str(sealed), "--passphrase", str(passphrase))
    assert invoke(*words).exit_code == 0
    assert sealed.stat().st_mode & 0o777 == 0o400
    signed = CliRunner(env={"FILLSTREAM_CREDENTIALS_PASSPHRASE": str(passphrase)})
    shown = [
        signed.invoke(command.app, ["venue", "sign", "binance", "--path", "/", "--query", "a=1", "--credentials", path])
        for path in (plain, str(sealed))
    ]
    assert shown[0].output == shown[1].output != ""
    again = invoke(*words)
    assert (again.exit_code, "File exists" in again.output) == (2, True)
