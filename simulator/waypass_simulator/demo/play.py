"""Plays the demonstration once, from starting the programs to the report."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from waypass_simulator.demo import chapters
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.report import Narrator, Report, Story
from waypass_simulator.demo.scene import Scene
from waypass_simulator.demo.watch import StateWatch
from waypass_simulator.errors import SimulatorError
from waypass_simulator.health import HealthAuthority


@dataclass(frozen=True, kw_only=True, slots=True)
class Playing:
    """What a run is given: an empty folder, a seed for everything drawn, and where real certificates are, if known."""

    folder: Path
    seed: int
    shared: Path | None


def find_shared(checkout: Path, environment: Mapping[str, str]) -> Path | None:
    """The folder of shared vectors: `WAYPASS_SHARED`, or `shared` beside the checkout; None where there is none."""
    folder = Path(environment.get("WAYPASS_SHARED", checkout.parent / "shared"))
    return folder if (folder / "vectors" / "hcert").is_dir() else None


def play(playing: Playing, narrator: Narrator) -> Report:
    """Play the story. What goes wrong on the way becomes a step that failed; programs are ended in any case."""
    started_at, started = int(time.time()), time.monotonic()
    story = Story(narrator)
    authority = HealthAuthority.make(key=ec.generate_private_key(ec.SECP256R1()), random=os.urandom, now=started_at)
    deployment = Deployment(folder=playing.folder, evidence_signers={"demonstration": authority.certificate_der})
    watch = StateWatch(topics=deployment.topics, port=deployment.broker_port)
    scene = Scene(
        story=story,
        deployment=deployment,
        watch=watch,
        rng=np.random.default_rng(playing.seed),
        authority=authority,
    )
    story.note(f"Files are in {playing.folder} while it plays; --seed {playing.seed} draws the same hands and light.")
    try:
        with deployment, watch:
            deployment.start(story.note)
            for chapter in _chapters(playing):
                chapter(scene)
    except SimulatorError as error:
        story.step("the story goes on to its end", expected="no trouble", seen=str(error), ok=False)
    finally:
        for wallet in scene.wallets.values():
            wallet.close()
    return Report(
        started_at=started_at,
        seconds=round(time.monotonic() - started, 1),
        seed=playing.seed,
        ok=story.ok,
        steps=story.results,
        propagation_ms=scene.propagation,
        frame_to_decision_ms={name: list(gate.timings) for name, gate in deployment.gates.items()},
        notes=_notes(playing),
    )


def summary(report: Report) -> str:
    """The report in one line."""
    good = sum(step.ok for step in report.steps)
    parts = [f"{good} of {len(report.steps)} steps came out as they should, in {report.seconds:.0f} s"]
    for name, figures in (("push to gate", report.propagation_ms), ("frame to decision", report.frame_to_decision_ms)):
        values = [value for of_gate in figures.values() for value in of_gate]
        if values:
            parts.append(f"{name}: median {statistics.median(values):.1f} ms")
    return "; ".join(parts)


def _chapters(playing: Playing) -> list[Callable[[Scene], None]]:
    return [
        chapters.opening,
        chapters.certificates,
        lambda scene: chapters.real_certificates(scene, playing.shared),
        chapters.colours,
        chapters.objection,
        chapters.withdrawal,
        chapters.copies,
        chapters.outage,
        chapters.leftovers,
    ]


def _notes(playing: Playing) -> list[str]:
    notes = ["cameras are folders of rendered frames, pins are gpiozero's mock pins"]
    if playing.shared is None:
        notes.append("no real EU certificates: the shared vectors were not found")
    return notes
