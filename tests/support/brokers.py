"""Which brokers a test runs against; the brokers themselves are in `waypass_simulator.brokers`."""

import pytest

from waypass_simulator.brokers import BrokerKind, LocalBroker, mosquitto_program, start_embedded, start_mosquitto

needs_mosquitto = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(mosquitto_program() is None, reason="the mosquitto program is not installed"),
]
"""Marks for a test that starts Mosquitto."""

BROKERS = [
    pytest.param(BrokerKind.EMBEDDED, id="embedded"),
    pytest.param(BrokerKind.MOSQUITTO, id="mosquitto", marks=needs_mosquitto),
]
"""For `pytest.mark.parametrize("kind", BROKERS)` and for fixtures."""

__all__ = [
    "BROKERS",
    "BrokerKind",
    "LocalBroker",
    "mosquitto_program",
    "needs_mosquitto",
    "start_embedded",
    "start_mosquitto",
]
