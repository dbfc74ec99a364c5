"""The board's file system as octets, made from a folder without the board."""

from pathlib import Path

from msgin5g_tools.pico_box.problems import BoxError

# As MicroPython's port for RPI_PICO has it: 1408 kB of flash.
BLOCK_BYTES = 4096
BLOCKS = 352


def make_image(folder: Path) -> bytes:
    """Return a littlefs with all that the folder holds, to be the board's at its next boot.

    Raises BoxError if it does not fit, OSError.
    """
    try:
        from littlefs import LittleFS, LittleFSError
    except ImportError:
        raise BoxError("littlefs-python is missing; type: pip install 'msgin5g[box]'") from None
    board = LittleFS(
        block_size=BLOCK_BYTES,
        block_count=BLOCKS,
        prog_size=256,
        read_size=32,
        lookahead_size=32,
        cache_size=1024,
        disk_version=0x00020000,
    )
    try:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_dir():
                board.mkdir(name)
            else:
                with board.open(name, "wb") as file:
                    file.write(path.read_bytes())
    except LittleFSError as problem:
        raise BoxError(f"{folder} does not fit into the board's files: {problem}") from None
    return bytes(board.context.buffer)
