"""The commands of README and docs do what stands there, in a clean folder."""

import os
import socket
import subprocess
import sys

import pytest

from tests.markdown import DOCUMENTS, ROOT, blocks
from tests.run_document import READ, is_run, what_is_done

# Their commands are run by tests of their own.
ELSEWHERE = {"docs/applications.md": "tests/system/test_applications_guide.py"}
PORTS = ((socket.SOCK_DGRAM, 65401), (socket.SOCK_DGRAM, 65402), (socket.SOCK_STREAM, 8080))
RUN = [name for name in DOCUMENTS if name not in ELSEWHERE and is_run(name)]
# A network of its own: its loopback has all ports free, and nothing gets out.
ALONE = ("unshare", "--user", "--map-root-user", "--net")
LIMIT_S = 300
UP = (
    "import fcntl, os, socket, struct, sys\n"
    "flags = struct.pack('16sh', b'lo', 0x1 | 0x40)\n"
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, flags)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
)


@pytest.fixture(scope="session")
def alone():
    """What goes before a Python program so that the standard ports are free for it."""
    before = [*ALONE, sys.executable, "-c", UP]
    tried = subprocess.run([*before, "-c", ""], capture_output=True, text=True)
    if tried.returncode == 0:
        return before
    taken = [port for kind, port in PORTS if not is_free(kind, port)]
    if taken:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"ports {taken} are taken, and a network of its own: {tried.stderr.strip()}")
    return [sys.executable]


def is_free(kind, port):
    with socket.socket(socket.AF_INET, kind) as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_document_do_what_it_says(name, alone):
    command = [*alone, "-m", "tests.run_document", name]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            said, _ = process.communicate()
    assert process.returncode == 0, said


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_not_run_says_why(name):
    for block in blocks(name):
        done, why = what_is_done(block)
        if done == READ:
            assert len(why) > 10, f"{name}, line {block.line}: why is this not run?"
            print(f"{name}, line {block.line}: not run: {why}")


def test_what_is_run_elsewhere_is_there():
    for name, test in ELSEWHERE.items():
        assert is_run(name) and name in (ROOT / test).read_text()
