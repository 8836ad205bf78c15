"""Videos and folders in the place of a camera: order, pacing, looping, following, and files that are broken."""

import itertools
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import FolderConfig, Frame, FrameSource, VideoConfig, open_source
from waypass_reader.frames.folder import FolderSource

DEADLINE = 20.0


def write_video(path: Path, values: list[int], rate: float = 30.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
    for value in values:
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    return path


def write_picture(path: Path, value: int) -> None:
    """As a writer should: under another name first."""
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(picture(value))
    hidden.replace(path)


def picture(value: int) -> bytes:
    done, data = cv2.imencode(".png", np.full((8, 8), value, np.uint8))
    assert done
    return data.tobytes()


def wait_for(source: FrameSource) -> Frame:
    frame = source.next_frame(DEADLINE)
    assert frame is not None
    return frame


def values(source: FrameSource) -> list[int]:
    """The grey of every frame until the source has ended."""
    seen: list[int] = []
    while not source.ended:
        frame = source.next_frame(DEADLINE)
        if frame is not None:
            assert frame.number == len(seen)
            seen.append(int(np.median(frame.pixels)))
    return seen


class TestVideo:
    def test_every_frame_comes_once_and_in_order(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10, 60, 110, 160, 210])
        with open_source(VideoConfig(path=path, paced=False)) as source:
            assert values(source) == pytest.approx([10, 60, 110, 160, 210], abs=3)
            assert source.next_frame(0) is None

    def test_frames_are_grey_and_stamped(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10])
        before = time.monotonic_ns()
        with open_source(VideoConfig(path=path)) as source:
            frame = wait_for(source)
        assert frame.pixels.shape == (48, 64)
        assert frame.pixels.dtype == np.uint8
        assert before <= frame.at_ns <= time.monotonic_ns()

    def test_paced_frames_keep_their_distance(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10, 60, 110], rate=50)
        with open_source(VideoConfig(path=path)) as source:
            frames = [wait_for(source) for _ in range(3)]
        assert all(b.at_ns - a.at_ns >= 20_000_000 for a, b in itertools.pairwise(frames))

    def test_the_rate_may_be_set(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10, 60], rate=1)
        with open_source(VideoConfig(path=path, frames_per_second=200)) as source:
            first, second = wait_for(source), wait_for(source)
        assert second.at_ns - first.at_ns >= 5_000_000

    def test_a_frame_that_is_not_due_yet_is_not_given(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10, 60], rate=1)
        now = [0]
        with open_source(VideoConfig(path=path), clock_ns=lambda: now[0]) as source:
            assert source.next_frame(0) is not None
            assert source.next_frame(0) is None
            now[0] = 999_999_999
            assert source.next_frame(0) is None
            now[0] = 1_000_000_000
            assert source.next_frame(0) is not None

    def test_a_loop_starts_over(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.avi", [10, 200])
        with open_source(VideoConfig(path=path, paced=False, loop=True)) as source:
            seen = [int(np.median(wait_for(source).pixels)) for _ in range(5)]
            assert seen == pytest.approx([10, 200, 10, 200, 10], abs=3)
            assert not source.ended

    def test_closing_ends_it(self, tmp_path: Path) -> None:
        source = open_source(VideoConfig(path=write_video(tmp_path / "v.avi", [10, 20]), paced=False))
        source.close()
        assert source.ended
        assert source.next_frame(0) is None
        source.close()

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"video .*gone.avi: there is no such file"):
            open_source(VideoConfig(path=tmp_path / "gone.avi"))

    @pytest.mark.parametrize("content", [b"", b"not a video at all" * 50])
    def test_what_is_no_video_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "bad.avi").write_bytes(content)
        with pytest.raises(SourceError, match=r"bad.avi: not a video that can be read"):
            open_source(VideoConfig(path=tmp_path / "bad.avi"))

    @pytest.mark.parametrize("loop", [False, True])
    def test_a_video_without_frames_is_an_error(self, tmp_path: Path, loop: bool) -> None:
        path = write_video(tmp_path / "v.avi", [10, 20, 30])
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"movi") + 4])
        with pytest.raises(SourceError, match=r"holds no frame|not a video"):
            open_source(VideoConfig(path=path, loop=loop, frames_per_second=100)).next_frame(DEADLINE)

    def test_a_video_that_breaks_off_gives_what_it_has(self, tmp_path: Path) -> None:
        path = tmp_path / "v.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (320, 240))
        for frame in np.random.default_rng(1).integers(0, 256, (5, 240, 320, 3), dtype=np.uint8):
            writer.write(frame)
        writer.release()
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * 0.7)])
        with open_source(VideoConfig(path=path, paced=False)) as source:
            assert 1 <= len(values(source)) < 5


class TestFolderOnce:
    def test_pictures_come_once_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for name, value in (("c.png", 3), ("a.png", 1), ("b.png", 2)):
            write_picture(tmp_path / name, value)
        (tmp_path / "notes.txt").write_text("no picture")
        with open_source(FolderConfig(path=tmp_path)) as source:
            assert values(source) == [1, 2, 3]
            assert source.next_frame(0) is None

    def test_what_arrives_later_is_not_taken(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.png", 1)
        with open_source(FolderConfig(path=tmp_path)) as source:
            write_picture(tmp_path / "b.png", 2)
            assert values(source) == [1]

    def test_an_empty_folder_has_ended(self, tmp_path: Path) -> None:
        with open_source(FolderConfig(path=tmp_path)) as source:
            assert source.ended

    def test_a_broken_picture_is_named_once_and_passed_over(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.png", 1)
        (tmp_path / "b.png").write_bytes(picture(2)[:40])
        write_picture(tmp_path / "c.png", 3)
        with open_source(FolderConfig(path=tmp_path)) as source:
            assert wait_for(source).pixels[0, 0] == 1
            with pytest.raises(SourceError, match=r"b.png: not a whole PNG"):
                source.next_frame(0)
            assert wait_for(source).pixels[0, 0] == 3

    def test_consuming_removes_what_was_read(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png"):
            write_picture(tmp_path / name, 1)
        (tmp_path / "notes.txt").write_text("stays")
        with open_source(FolderConfig(path=tmp_path, consume=True)) as source:
            wait_for(source)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["b.png", "notes.txt"]

    def test_without_consuming_all_stays(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.png", 1)
        with open_source(FolderConfig(path=tmp_path)) as source:
            assert values(source) == [1]
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("name", ["gone", "file.png"])
    def test_what_is_no_folder_is_named(self, tmp_path: Path, name: str) -> None:
        write_picture(tmp_path / "file.png", 1)
        with pytest.raises(SourceError, match=rf"folder .*{name}: there is no such folder; make it, or set `path`"):
            open_source(FolderConfig(path=tmp_path / name))


class TestFolderFollowed:
    def test_pictures_that_arrive_later_are_taken(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "0.png", 0)
        with open_source(FolderConfig(path=tmp_path, follow=True)) as source:
            assert wait_for(source).pixels[0, 0] == 0

            def write() -> None:
                for number in range(1, 30):
                    write_picture(tmp_path / f"{number:04d}.png", number)

            writer = threading.Thread(target=write)
            writer.start()
            seen = [int(wait_for(source).pixels[0, 0]) for _ in range(29)]
            writer.join(DEADLINE)
        assert seen == list(range(1, 30))

    def test_a_waiting_picture_with_an_earlier_name_goes_first(self, tmp_path: Path) -> None:
        with open_source(FolderConfig(path=tmp_path, follow=True)) as source:
            assert source.next_frame(0) is None
            write_picture(tmp_path / "b.png", 2)
            write_picture(tmp_path / "a.png", 1)
            assert [wait_for(source).pixels[0, 0] for _ in range(2)] == [1, 2]

    def test_a_half_written_picture_is_not_taken(self, tmp_path: Path) -> None:
        data = picture(5)
        hidden = tmp_path / "a.png.part"
        with open_source(FolderConfig(path=tmp_path, follow=True)) as source:
            hidden.write_bytes(data[:30])
            assert source.next_frame(0.05) is None
            hidden.write_bytes(data)
            assert source.next_frame(0.05) is None
            hidden.rename(tmp_path / "a.png")
            assert wait_for(source).pixels[0, 0] == 5

    def test_a_half_written_picture_under_its_final_name_is_told(self, tmp_path: Path) -> None:
        with open_source(FolderConfig(path=tmp_path, follow=True, consume=True)) as source:
            (tmp_path / "a.png").write_bytes(picture(5)[:30])
            with pytest.raises(SourceError, match=r"a.png: not a whole PNG"):
                source.next_frame(DEADLINE)
            assert (tmp_path / "a.png").exists()
            assert source.next_frame(0) is None
            write_picture(tmp_path / "b.png", 6)
            assert wait_for(source).pixels[0, 0] == 6

    def test_a_name_is_taken_once_unless_files_are_consumed(self, tmp_path: Path) -> None:
        for consume, expected in ((False, None), (True, 2)):
            with open_source(FolderConfig(path=tmp_path, follow=True, consume=consume)) as source:
                write_picture(tmp_path / "a.png", 1)
                assert wait_for(source).pixels[0, 0] == 1
                write_picture(tmp_path / "a.png", 2)
                again = source.next_frame(0.05)
                assert (None if again is None else int(again.pixels[0, 0])) == expected

    def test_it_never_ends_by_itself(self, tmp_path: Path) -> None:
        with open_source(FolderConfig(path=tmp_path, follow=True)) as source:
            assert source.next_frame(0) is None
            assert not source.ended
        assert source.ended

    def test_closing_wakes_who_waits(self, tmp_path: Path) -> None:
        source = FolderSource(FolderConfig(path=tmp_path, follow=True), clock_ns=time.monotonic_ns)
        seen: list[Frame | None] = []
        waiter = threading.Thread(target=lambda: seen.append(source.next_frame(DEADLINE)))
        waiter.start()
        source.close()
        waiter.join(DEADLINE)
        assert not waiter.is_alive()
        assert seen == [None]

    def test_a_folder_that_vanishes_is_lost(self, tmp_path: Path) -> None:
        folder = tmp_path / "frames"
        folder.mkdir()
        with open_source(FolderConfig(path=folder, follow=True)) as source:
            folder.rmdir()
            with pytest.raises(SourceLost, match=r"frames: can't be listed any more"):
                source.next_frame(DEADLINE)
