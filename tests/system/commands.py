"""The product as an outsider has it: commands, bytes in, bytes and an exit code out."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.foreign import AT, PASS_KEY, STATUS_KEY, trust_set

PROGRAMS = Path(sys.executable).parent
DEADLINE_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one run of a command printed, and its exit code."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line of standard output as the object that it has to be."""
        found = [json.loads(line) for line in self.stdout.splitlines()]
        assert all(isinstance(line, dict) for line in found), self.stdout[:200]
        return found

    @property
    def reasons(self) -> list[str]:
        return [line["reason"] for line in self.lines]


def run(program: str, *arguments: str, stdin: bytes = b"") -> Answer:
    """Run a command to its end."""
    done = subprocess.run(
        [str(PROGRAMS / program), *arguments], input=stdin, capture_output=True, timeout=DEADLINE_S, check=False
    )
    return Answer(code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode())


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """A folder with a trust set and what came over MQTT, and the gate that is asked."""

    folder: Path
    trust: bytes = trust_set([PASS_KEY.jwk(), STATUS_KEY.jwk()])

    @property
    def status(self) -> Path:
        return self.folder / "status"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    def hold(self, files: Mapping[str, bytes]) -> None:
        """Put files into the status folder, and the trust set beside it."""
        self.status.mkdir(parents=True)
        self.keys.write_bytes(self.trust)
        for name, data in files.items():
            (self.status / name).write_bytes(data)

    def arguments(self, *, at: int = AT, scope: int = 1, policy: Any = None, options: Sequence[str] = ()) -> list[str]:
        """The arguments of `check`, with the policy written to a file."""
        known = [
            "--keys",
            str(self.keys),
            "--status",
            str(self.status),
            "--scope",
            str(scope),
            "--at",
            str(at),
            *options,
        ]
        if policy is None:
            return known
        path = self.folder / f"policy-{len(list(self.folder.glob('policy-*')))}.json"
        path.write_bytes(policy if isinstance(policy, bytes) else json.dumps(policy).encode())
        return [*known, "--policy", str(path)]

    def check(self, texts: Sequence[str | bytes], **asked: Any) -> Answer:
        """Ask `check` about one text a line."""
        lines = [text.encode() if isinstance(text, str) else text for text in texts]
        return run(
            "waypass-reader",
            "check",
            *self.arguments(**asked),
            "--json",
            stdin=b"".join(b"%b\n" % line for line in lines),
        )
