"""Lives of entries at random: `life_machine` says what they are. `make lives` runs many, as `WAYPASS_LIVES` says."""

import os

import pytest
from hypothesis import HealthCheck, settings
from tests.server.life_machine import LivesOfEntries

ASKED = os.environ.get("WAYPASS_LIVES")
LIVES = int(ASKED or 12)
STEPS = 30

TestLivesOfEntries = pytest.mark.timeout(max(1800, 60 * LIVES))(LivesOfEntries.TestCase)
TestLivesOfEntries.settings = settings(
    max_examples=LIVES,
    stateful_step_count=STEPS,
    derandomize=ASKED is None,  # the same few for every change; others each time for whoever asks for many
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
