"""Brokers that want a certificate of each client get it from all of a process's clients."""

import pytest
from aiokafka import AIOKafkaConsumer

from observation.doctor import version
from runtime import access, kafka
from runtime.settings import Settings, SettingsError, load
from streaming.app import application
from tests.security import certificate
from tests.security.guarded import Guarded


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with Guarded(tmp_path_factory.mktemp("strict"), client_certificates=True) as running:
        yield running


def test_who_has_one_is_let_in(strict):
    settings = strict.settings("worker")
    access.ensure(settings, "worker")
    assert version.of(settings) is not None  # by a socket of its own


@pytest.mark.parametrize("mine", [None, "stranger"])
def test_who_has_none_or_a_strangers_is_told_what_may_be_missing(strict, tmp_path, mine):
    file = certificate.write(tmp_path / "mine.pem") if mine else None
    settings = strict.settings("worker", ssl_certificate_location=file, ssl_key_location=file)
    with pytest.raises(SettingsError, match="do ssl_certificate_location and ssl_key_location name one"):
        access.ensure(settings, "worker")


async def test_fausts_client_shows_it_as_well(strict):
    auth = application(strict.settings("worker")).conf.broker_credentials
    reader = AIOKafkaConsumer(
        bootstrap_servers=strict.broker.bootstrap,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=auth.username,
        sasl_plain_password=auth.password,
        ssl_context=auth.ssl_context,
    )
    await reader.start()
    try:
        assert "order-commands" in await reader.topics()
    finally:
        await reader.stop()


def test_a_certificate_without_a_key_is_refused(monkeypatch):
    monkeypatch.setenv("FILLSTREAM_SSL_CERTIFICATE_LOCATION", "mine.pem")
    with pytest.raises(SettingsError, match="ssl_certificate_location and ssl_key_location are of use together only"):
        load()


def test_a_file_that_is_no_certificate_is_named(tmp_path):
    (tmp_path / "mine.pem").write_text("nothing of the kind")
    own = {"ssl_certificate_location": tmp_path / "mine.pem", "ssl_key_location": tmp_path / "mine.pem"}
    with pytest.raises(SettingsError, match=r"can't be set up from .*mine\.pem"):
        kafka.ssl_context(Settings(security_protocol="SSL", **own))
