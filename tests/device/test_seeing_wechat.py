"""The stage `wechat` on its double: what is missing, one detector an eye, and gates that start without it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from tests.device.test_run import READY, Gate, gate  # noqa: F401 - a fixture
from tests.device.test_seeing_eye import HALL, UNREADABLE
from typer.testing import CliRunner

from waypass_reader.commands.decode import decode
from waypass_reader.config import SeeingTable
from waypass_reader.doctor.lanes import look_at_seeing
from waypass_reader.errors import ConfigurationError, MissingLibrary, ReaderError
from waypass_reader.seeing.burst import read_burst
from waypass_reader.seeing.doubles import DetectorDouble, write_models
from waypass_reader.seeing.eye import Eye
from waypass_reader.seeing.outfit import Outfit
from waypass_reader.seeing.stages import Stage
from waypass_reader.seeing.wechat import MODEL_FILES, MakeDetector, ReadFrame, open_wechat, opencv_detector
from waypass_simulator.processes import Stream

needs_no_contrib = pytest.mark.skipif(opencv_detector() is not None, reason="opencv-contrib is installed here")


def everything(folder: Path) -> Path:
    return write_models(folder)


def one_missing(folder: Path) -> Path:
    (write_models(folder) / "sr.caffemodel").unlink()
    return folder


def one_broken(folder: Path) -> Path:
    return write_models(folder, broken="detect.caffemodel")


@pytest.mark.parametrize(
    ("name", "prepare", "make", "error", "message"),
    [
        ("no module", everything, None, MissingLibrary, "install the Python package opencv-contrib-python-headless"),
        ("no folder", lambda folder: folder, DetectorDouble, ConfigurationError, f"missing {', '.join(MODEL_FILES)}"),
        ("a file less", one_missing, DetectorDouble, ConfigurationError, "the 4 files of its models; missing sr.caffe"),
        ("broken", one_broken, DetectorDouble, ConfigurationError, r"OpenCV can't take these models \(OpenCV.*FAILED"),
    ],
)
def test_what_is_missing_is_said_where_it_is_opened_and_by_doctor(
    tmp_path: Path,
    name: str,
    prepare: Callable[[Path], Path],
    make: MakeDetector | None,
    error: type[ReaderError],
    message: str,
) -> None:
    models = prepare(tmp_path / "models")
    with pytest.raises(error, match=message) as raised:
        open_wechat(models, make=make)
    assert "\n" not in str(raised.value), name
    found = look_at_seeing(SeeingTable(wechat_models=models), make=make)
    assert (found.part, found.well, found.says) == ("stage wechat", False, str(raised.value))


def test_doctor_says_that_it_is_well_or_not_asked_for(tmp_path: Path) -> None:
    table = SeeingTable(wechat_models=write_models(tmp_path))
    assert look_at_seeing(table, make=DetectorDouble).says == f"its models are in {tmp_path} and can be used"
    for without in (None, SeeingTable()):
        assert look_at_seeing(without, make=None).says == "not asked for; a gate can do without it"


def test_a_frame_that_the_detector_cannot_take_has_no_text(tmp_path: Path) -> None:
    made = DetectorDouble(texts=["a text"])
    read = open_wechat(write_models(tmp_path), make=lambda *_paths: made)
    assert read(HALL) == ["a text"]
    made.fails = True
    assert read(HALL) == []


def test_each_eye_has_a_detector_of_its_own_and_reads_by_it(tmp_path: Path) -> None:
    models = write_models(tmp_path)
    made: dict[str, DetectorDouble] = {}

    def opened(lane: str) -> ReadFrame:
        made[lane] = DetectorDouble(texts=[f"seen at {lane}"])
        return open_wechat(models, make=lambda *_paths: made[lane])

    outfit = Outfit(open_wechat=opened)
    eyes = {name: Eye(name=name, joining=False, clock_ns=lambda: 0, outfit=outfit) for name in ("north", "south")}
    for name, eye in eyes.items():
        look = eye.look(UNREADABLE, at_ns=1)
        assert ([each.stage for each in look.sightings], look.texts) == ([Stage.WECHAT], [f"seen at {name}"])
    assert [len(each.asked_by) for each in made.values()] == [1, 1]
    # Without an outfit it is not had.
    assert Eye(joining=False, clock_ns=lambda: 0).look(UNREADABLE, at_ns=1).texts == []


def test_a_picture_is_read_by_it_too_where_it_is_given(tmp_path: Path) -> None:
    read = open_wechat(write_models(tmp_path), make=lambda *_paths: DetectorDouble(texts=["a text"]))
    (sighting,) = read_burst([HALL], more={Stage.WECHAT: read}).sightings
    assert (sighting.text, sighting.stage) == ("a text", Stage.WECHAT)
    assert read_burst([HALL]).sightings == ()


@pytest.mark.parametrize("broken", [None, "sr.prototxt"])
def test_a_gate_starts_without_a_stage_that_it_cannot_have(gate: Gate, broken: str | None) -> None:  # noqa: F811
    """Here OpenCV is without it; with it, these are no models."""
    write_models(gate.folder / "models", broken=broken)
    gate.configure(pages='[seeing]\nwechat_models = "models"\n')
    with gate.run() as reader:
        reader.wait_for_line(READY, timeout=30)
        assert reader.terminate() == 0
        assert '"event": "the lane sees without the stage wechat"' in reader.text(Stream.STDERR)


@needs_no_contrib
def test_a_picture_is_not_read_without_a_stage_that_was_asked_for(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(decode)
    result = CliRunner().invoke(app, ["--wechat-models", str(write_models(tmp_path)), "picture.png"])
    assert isinstance(result.exception, MissingLibrary)
