"""What engines write, in files that outlive the daemon: real files, real children."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swapd.engines import inotify, output, rotation
from swapd.engines.logs import LONGEST, Capture, LogBook
from swapd.engines.output import Output, Outputs, file_name
from tests.processes import until

NUMBERED = "import os, sys, time\nfor n in range({count}):\n os.write(1, b'{text} %d\\n' % n); time.sleep({pause})"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs"


@pytest.fixture
async def outputs(folder: Path) -> Any:
    outputs = Outputs(folder)
    yield outputs
    outputs.close()


@pytest.fixture(params=["on a disk", "in memory"])
async def anywhere(request: pytest.FixtureRequest, folder: Path) -> Any:
    outputs = Outputs(folder if request.param == "on a disk" else None)
    yield outputs
    outputs.close()


@pytest.fixture
def writer() -> Iterator[Callable[[Output, str], subprocess.Popen[bytes]]]:
    """Starts a child that runs Python code, or a shell's, with its output there."""
    children: list[subprocess.Popen[bytes]] = []

    def start(to: Output, code: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-S", "-c", code] if "import" in code else ["sh", "-c", code]
        children.append(subprocess.Popen(argv, stdout=to.fd, stderr=to.fd, start_new_session=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def ended(child: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: child.poll() is not None


def open_descriptors(of: str = "") -> int:
    """How many this process has open, of what is called so."""
    with os.scandir("/proc/self/fd") as entries:
        return sum(str(Path(entry.path).readlink()).startswith(of) for entry in entries)


def numbers(lines: list[str]) -> list[int]:
    return [int(found[1]) for line in lines if (found := re.fullmatch(r"\D* (\d+)", line))]


async def test_what_a_child_writes_is_in_the_file_and_in_the_book_and_so_is_each_line_of_ours_once(
    anywhere, writer
):
    book, out = LogBook(), anywhere.open("m")
    out.write("--- m#1: llama-server")
    capture = Capture(book, out)
    await until(ended(writer(out, "echo one; echo two >&2; printf 'last words'")))
    capture.close()
    capture.close()
    out.write("--- m#1: it ended")
    content = os.pread(out.fd, 1000, 0).decode()
    out.close()
    out.close()
    assert list(capture.last) == ["one", "two", "last words"]
    assert book.tail(10) == ["--- m#1: llama-server", "one", "two", "last words", "--- m#1: it ended"]
    assert content.splitlines() == book.tail(10)


async def test_a_piece_is_heard_within_milliseconds_and_a_line_of_ours_is_no_news(anywhere):
    out = anywhere.open("m")
    capture = Capture(LogBook(), out)
    out.write("--- ours")
    took = []
    for n in range(20):
        began = time.perf_counter()
        os.write(out.fd, b"%d\n" % n)
        async with asyncio.timeout(5):
            await capture.news.wrote.wait()
        took.append(time.perf_counter() - began)
        capture.news.wrote.clear()
        assert capture.last[-1] == str(n)
    assert sorted(took)[10] < 0.02
    assert capture.news.signs == 20


async def test_one_inotify_serves_all_files(outputs):
    captures = [Capture(LogBook(), outputs.open(f"m{n}")) for n in range(5)]
    assert open_descriptors("anon_inode:inotify") == 1
    for capture in captures:
        capture.close()


@pytest.mark.parametrize("lacking", ["inotify_init1", "inotify_add_watch"])
async def test_without_inotify_it_looks_itself(outputs, monkeypatch, lacking):
    monkeypatch.setattr(outputs._inotify._libc, lacking, lambda *_: -1)
    out = outputs.open("m")
    capture = Capture(LogBook(), out)
    os.write(out.fd, b"seen\n")
    await until(lambda: list(capture.last) == ["seen"])


async def test_the_longer_it_was_quiet_the_seldomer_it_looks(monkeypatch):
    loop, watch = asyncio.get_running_loop(), inotify.Inotify()
    monkeypatch.setattr(watch, "_watch", lambda _: None)
    monkeypatch.setattr(inotify, "LATEST", 0.2)

    async def pause(quiet: float) -> float:
        began = loop.time()
        woken = asyncio.Event()
        watch.once(0, woken.set, quiet=quiet)
        await woken.wait()
        return loop.time() - began

    pauses: list[float] = []
    for quiet, most in ((0.0, inotify.SOONEST), (2.0, 0.1), (1000.0, inotify.LATEST)):
        pauses.append(min([await pause(quiet) for _ in range(3)]))  # the shortest: others may compute
        assert pauses[-1] > most * 0.9
    assert pauses == sorted(pauses)


async def test_a_full_queue_of_events_wakes_everybody(outputs):
    out = outputs.open("m")
    capture = Capture(LogBook(), out)
    watch = outputs._inotify
    woken = []
    watch._waiting[max(watch._waiting) + 1] = lambda: woken.append(1)
    reading, writing = os.pipe()
    os.write(writing, inotify.EVENT.pack(-1, 0x4000, 0, 0))
    watch._read(reading)
    os.close(reading)
    os.close(writing)
    assert woken
    capture.close()


@pytest.mark.proc
async def test_the_process_and_its_stop_command_share_a_file_and_no_line_is_read_twice(outputs, writer):
    book = LogBook()
    engine, stop = outputs.open("m"), outputs.open("m")
    first, second = Capture(book, engine), Capture(book, stop)
    await until(ended(writer(engine, "echo from the engine")))
    await until(ended(writer(stop, "echo from the command")))
    await until(lambda: book.tail(9) == ["from the engine", "from the command"])
    second.close()
    stop.close()
    os.write(engine.fd, b"still heard\n")
    await until(lambda: first.last and first.last[-1] == "still heard")
    assert book.tail(9) == ["from the engine", "from the command", "still heard"]
    assert list(second.last) == ["from the engine", "from the command"]


async def test_the_next_run_begins_on_a_line_of_its_own_and_does_not_show_the_one_before(outputs):
    out = outputs.open("m")
    os.write(out.fd, b"the run before broke off")
    path = out.path
    out.close()
    out, book = outputs.open("m"), LogBook()
    out.write("--- m#2: go")
    Capture(book, out).close()
    out.close()
    assert path.read_text() == "the run before broke off\n--- m#2: go\n"
    assert [line for line in book.tail(9) if line] == ["--- m#2: go"]


# Adoption.

ORPHAN = """
import os, subprocess, sys
from pathlib import Path
import asyncio
from swapd.engines.output import Outputs
async def main():
    out = Outputs(Path({folder!r}) if {folder!r} else None).open("a/b")
    out.write("--- a/b#7: go")
    code = "echo loaded; read wait <{fifo}; echo later; sleep 60"
    engine = subprocess.Popen(["sh", "-c", code], stdout=out.fd, stderr=out.fd, start_new_session=True)
    print(engine.pid, flush=True)
    os._exit(0)
asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["file", "deleted file", "memory"])
async def test_an_engine_whose_daemon_died_is_followed_again_with_its_past(folder, tmp_path, kind):
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    code = ORPHAN.format(folder="" if kind == "memory" else str(folder), fifo=fifo)
    pid = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)
    try:
        if kind == "deleted file":
            await until((folder / "a%2Fb.log").exists)
            (folder / "a%2Fb.log").unlink()
        outputs, book = Outputs(folder), LogBook()
        out = outputs.reopen("a/b", pid)
        capture = Capture(book, out, from_start=True)
        await until(lambda: "loaded" in book.tail(9))
        capture.news.wrote.clear()
        fifo.write_text("go\n")
        await until(lambda: "later" in book.tail(9))
        assert capture.news.wrote.is_set()
        assert book.since("--- a/b#7: ") == ["--- a/b#7: go", "loaded", "later"]
        assert out.path == (folder / "a%2Fb.log" if kind == "file" else None)
        outputs.close()
    finally:
        os.killpg(pid, 9)


async def test_the_past_is_no_news_and_no_more_than_the_ring_holds_and_begins_with_a_whole_line(folder):
    folder.mkdir(parents=True)
    (folder / "m.log").write_text("".join(f"line {n}\n" for n in range(100_000)))
    outputs, book = Outputs(folder), LogBook()
    capture = Capture(book, outputs.open("m"), from_start=True)
    assert not capture.news.wrote.is_set()
    assert capture.last[-1] == "line 99999"
    seen = numbers(book.tail(10**6))
    assert seen == list(range(seen[0], 100_000))
    outputs.close()


async def test_the_past_reaches_back_into_the_copy_where_the_file_was_emptied_just_now(folder):
    folder.mkdir(parents=True)
    (folder / "m.log.1").write_text("--- m#1: go\nbefore\n")
    (folder / "m.log").write_text("after\n")
    outputs, book = Outputs(folder), LogBook()
    Capture(book, outputs.open("m"), from_start=True)
    assert book.since("--- m#1: ") == ["--- m#1: go", "before", "after"]
    outputs.close()


async def test_a_file_that_is_not_ours_is_neither_read_nor_cut(outputs, tmp_path):
    other = tmp_path / "other.log"
    with other.open("wb") as to, subprocess.Popen(["sleep", "60"], stdout=to, stderr=to) as child:
        out = outputs.reopen("m", child.pid)
        child.kill()
    assert out.path.name == "m.log"
    assert os.path.samestat(os.fstat(out.fd), out.path.stat())


async def test_who_is_gone_or_writes_to_a_pipe_gets_a_file_as_if_it_were_new(outputs):
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert outputs.reopen("m", child.pid).path.name == "m.log"
        child.kill()
    assert outputs.reopen("m", child.pid).path.name == "m.log"


# Size.


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "LIMIT", 64 << 10)
    monkeypatch.setattr(rotation, "IN_MEMORY", 64 << 10)


@pytest.mark.proc
async def test_a_file_is_rotated_under_its_writer_and_no_line_is_doubled_or_lost_but_in_the_instant_itself(
    outputs, writer, small
):
    lost = []
    while not lost or (min(lost) > 2 and len(lost) < 4):  # an instant is long for who has to wait for a core in it
        lost.append(await lost_by_rotations(outputs.open(f"m{len(lost)}"), writer))
    assert min(lost) <= 2, (
        "one of those that came in the microseconds of a rotation, of which there was one or two"
    )


async def lost_by_rotations(out: Output, writer: Callable[[Output, str], subprocess.Popen[bytes]]) -> int:
    """How many lines of 1500; all others are where they belong."""
    book = LogBook()
    capture = Capture(book, out)
    older = out.path.with_name(f"{out.path.name}.1")
    child = writer(out, NUMBERED.format(count=1500, text="x" * 90, pause=0.0003))
    await until(ended(child), 30)
    capture.close()
    await until(lambda: out.path.stat().st_size < 128 << 10)
    assert older.exists()
    seen = numbers(book.tail(10**6))
    assert seen == sorted(set(seen)), "none is doubled, and they are in order"
    lost = set(range(1500)) - set(seen)
    kept = numbers(older.read_text().splitlines() + out.path.read_text().splitlines())
    assert kept == [n for n in range(kept[0], 1500) if n not in lost], "on the disk"
    assert len(kept) > 500
    return len(lost)


def test_a_copy_of_what_was_emptied_meanwhile_leaves_nothing_open_and_nothing_behind(tmp_path):
    before = set(Path("/proc/self/fd").iterdir())
    with (tmp_path / "m.log").open("wb") as file, pytest.raises(OSError, match="No such device or address"):
        rotation._Copy(file.fileno(), tmp_path / "m.log", 0)
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.log"]


async def test_in_a_pause_it_is_rotated_early(anywhere, small):
    out = anywhere.open("m")
    capture = Capture(LogBook(), out)
    os.write(out.fd, b"line\n" * 20_000)
    await until(lambda: os.fstat(out.fd).st_size == 0)
    os.write(out.fd, b"after\n")
    await until(lambda: capture.last[-1] == "after")
    assert os.pread(out.fd, 99, 0) == b"after\n"
    if out.path is not None:
        assert out.path.with_name("m.log.1").read_bytes() == b"line\n" * 20_000
        assert not out.path.with_name("m.log.new").exists()


async def test_who_closes_while_it_is_being_copied_leaves_it_as_it_is(outputs, small):
    out = outputs.open("m")
    capture = Capture(LogBook(), out)
    os.write(out.fd, b"line\n" * 20_000)
    await until(lambda: out.path.with_name("m.log.new").exists() or out.path.with_name("m.log.1").exists())
    capture.close()
    out.close()
    await until(lambda: not out.path.with_name("m.log.new").exists())
    sizes = [p.stat().st_size for p in (out.path, out.path.with_name("m.log.1")) if p.exists()]
    assert 100_000 in sizes


async def test_somebody_who_empties_it_by_hand_confuses_nobody(outputs):
    out = outputs.open("m")
    capture = Capture(LogBook(), out)
    os.write(out.fd, b"a long line before\n")
    await until(lambda: capture.last)
    os.truncate(out.path, 0)
    os.write(out.fd, b"short\n")
    await until(lambda: capture.last[-1] == "short")


FLOOD = r"""
import os
for _ in range(100):
    os.write(1, (b"z" * 119 + b"\n") * 8738)
os.write(1, b"end\n")
"""


class Noting(LogBook):
    """Remembers what it was told of bytes that were dropped: the ring itself may have lost it again."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def write(self, *lines: str) -> None:
        self.notes += [line for line in lines if "bytes dropped" in line]
        super().write(*lines)


@pytest.mark.proc
async def test_a_flood_starves_nobody_is_noted_and_leaves_the_last_words(anywhere, writer):
    out, book = anywhere.open("m"), Noting()
    capture = Capture(book, out)
    child = writer(out, FLOOD)
    loop, used = asyncio.get_running_loop(), time.process_time()
    began = loop.time()
    await until(ended(child), 30)
    used, wall = time.process_time() - used, loop.time() - began
    assert used < 0.8 * wall + 0.1
    await until(lambda: capture.last[-1] == "end")
    assert book.notes
    await until(lambda: os.fstat(out.fd).st_size < 100)


async def test_where_a_file_cannot_give_back_its_room_a_flood_is_cut_all_the_same(outputs, writer, monkeypatch):
    monkeypatch.setattr(rotation, "free", lambda *_: False)
    out, book = outputs.open("m"), Noting()
    capture = Capture(book, out)
    await until(ended(writer(out, FLOOD)), 30)
    await until(lambda: book.notes and os.fstat(out.fd).st_size <= rotation.LIMIT)
    capture.close()


async def test_a_line_that_is_too_long_is_cut_and_binary_garbage_is_shown_as_such(anywhere):
    out, book = anywhere.open("m"), LogBook()
    capture = Capture(book, out)
    os.write(out.fd, b"y" * 200_000 + b"\nnext\n\0\xff\xfe\x1b[31m\n")
    capture.close()
    long, after, garbage = book.tail(3)
    assert long == "y" * LONGEST + " (cut: the line is longer)"
    assert after == "next"
    assert garbage.startswith("\0\N{REPLACEMENT CHARACTER}")


async def test_closing_does_not_wait_for_somebody_who_goes_on_writing(anywhere, writer):
    out = anywhere.open("m")
    endless = writer(out, "exec yes")
    capture = Capture(LogBook(), out)
    await until(lambda: capture.last)
    capture.close()
    out.close()
    assert endless.poll() is None, "it lost its reader, and nothing else"


# Where no disk takes it.


async def test_a_folder_that_cannot_be_written_is_said_once_and_memory_takes_it(tmp_path, caplog):
    (tmp_path / "state").write_text("a file is in the way")
    outputs = Outputs(tmp_path / "state" / "logs")
    first, second = outputs.open("m"), outputs.open("n")
    assert first.path is second.path is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(
        f"cannot keep the logs of engines in {tmp_path}/state/logs: Not a directory;"
    )
    assert "in memory" in caplog.messages[0]
    capture = Capture(LogBook(), first)
    os.write(first.fd, b"heard\n")
    await until(lambda: list(capture.last) == ["heard"])
    outputs.close()


async def test_what_is_no_file_is_not_written_to(outputs, folder, caplog):
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.log")
    (folder / "link.log").symlink_to("/etc/passwd")
    assert outputs.open("pipe").path is outputs.open("link").path is None
    assert len(caplog.messages) == 2


async def test_without_a_descriptor_it_raises_and_does_not_blame_the_disk(outputs, caplog):
    outputs.open("m").close()
    taken = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            _with_no_descriptors(lambda: outputs.open("n"), taken)
    finally:
        for fd in taken:
            os.close(fd)
    assert not caplog.messages


def _with_no_descriptors(act: Callable[[], object], taken: list[int]) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, hard))
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        act()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], stderr=subprocess.DEVNULL, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("cannot mount a small disk: not root, or in a container that may not")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_disk_that_is_full_gets_no_log_and_one_that_fills_up_blocks_nobody(tiny, caplog, writer):
    outputs, book = Outputs(tiny / "logs"), LogBook()
    out = outputs.open("m")
    capture = Capture(book, out)
    assert out.path is not None
    fill = "import os\nfor n in range(40000):\n try: os.write(1, b'x' * 99 + b'\\n')\n except OSError: pass"
    await until(ended(writer(out, fill)), 20)
    await until(lambda: caplog.messages)
    await asyncio.sleep(0)
    out.write("--- m#1: ended")
    assert book.tail(1) == ["--- m#1: ended"]
    assert "is full" in caplog.messages[0]
    assert outputs.open("n").path is None
    assert [text for text in caplog.messages if "No space left" in text] == caplog.messages[1:]
    assert len(caplog.messages) == 2
    capture.close()
    outputs.close()


async def test_a_disk_without_room_for_the_copy_costs_the_copy_and_frees_the_room(tiny, caplog, monkeypatch):
    monkeypatch.setattr(rotation, "LIMIT", 1 << 20)
    outputs = Outputs(tiny / "logs")
    out = outputs.open("m")
    capture = Capture(LogBook(), out)
    os.write(out.fd, (b"line" * 30 + b"\n") * 10_000)
    await until(lambda: os.fstat(out.fd).st_size == 0)
    assert f"cannot rotate {out.path}: No space left on device" in caplog.text
    assert [entry.name for entry in (tiny / "logs").iterdir()] == ["m.log"]
    capture.close()
    outputs.close()


# Names and old files.

STRANGE = [
    "a/b",
    "a%2Fb",
    "..",
    ".",
    "../../etc/passwd",
    ".hidden",
    "A b\n",
    "é",
    "~",
    "a~b",
    "",
    "x" * 500,
    "x" * 499,
]
STRANGE += ["x" * 80 + "~" + "0" * 16, "qwen.log", "qwen", "qwen.log.1", "-rf", "\0", "名" * 60]


def test_strange_names_give_safe_names_and_each_its_own():
    names = [file_name(model) for model in STRANGE]
    assert len(set(names)) == len(STRANGE)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9%_~-][A-Za-z0-9%._~-]*", name)
        assert len(name) <= output.LONGEST
    assert file_name("Qwen3-30B_A3B.Q4") == "Qwen3-30B_A3B.Q4"


async def test_the_folder_and_its_files_are_private(outputs, folder):
    path = outputs.open("../m").path
    assert path.parent == folder
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


async def test_logs_that_nobody_wrote_to_for_long_are_removed_unless_an_engine_has_them_open(folder, writer):
    before = Outputs(folder)
    alive, gone = before.open("alive"), before.open("gone")
    child = writer(alive, "exec sleep 60")
    (folder / "gone.log.1").touch()
    (folder / "notes.txt").touch()
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert gone.path.exists()
    before.close()
    (folder / "recent.log").touch()
    after = Outputs(folder)
    after.open("new")
    assert {p.name for p in folder.iterdir()} == {"alive.log", "recent.log", "new.log", "notes.txt"}
    assert child.poll() is None
    after.close()


async def test_nothing_is_left_open(folder):
    before = open_descriptors()
    outputs = Outputs(folder)
    for name in ("m", "n", "m"):
        out = outputs.open(name)
        Capture(LogBook(), out).close()
        out.close()
    outputs.open("left to the end")
    outputs.close()
    assert open_descriptors() == before
