"""What a board's log says, with the names of the sources."""

import json

from msgin5g_tools.cli import main
from msgin5g_tools.flash.compile import Format, compile_all
from msgin5g_tools.flash.explain import explain
from msgin5g_tools.flash.files import sources
from msgin5g_tools.shrink.rename import Names
from ue.config import merge

CONFIG = {"ue_service_id": "urn:example:ue:1", "link": "serial://uart0?tx=0&rx=1"}
NAMES = Names({"ue.ue": {"EOFError": ["Storage.load", "f"]}}, {"abs": list("abcdef")})


def test_frames_and_missing_attributes_get_the_names_of_the_sources():
    frame = '  File "ue.ue", line 1, in EOFError'
    assert explain(frame, NAMES) == '  File "ue.ue", line 1, in Storage.load or f'
    assert explain("x has no attribute 'abs'", NAMES).endswith(
        "(which is a or b or c or d or ...)"
    )
    for line in (
        '  File "ue.ue", line 1, in run',
        '  File "main.py", line 3, in EOFError',
        "EOFError",
    ):
        assert explain(line, NAMES) == line


def test_a_log_of_a_board_is_explained_from_its_configuration(tmp_path, capsys):
    names = compile_all(sources(merge(CONFIG)), Format(6, 3, "")).names
    unit, short, meant = next(
        (unit, short, meant[0])
        for unit, told in names.functions.items()
        for short, meant in told.items()
        if len(meant) == 1
    )
    log, config = tmp_path / "log", tmp_path / "config.json"
    log.write_text(f'Traceback:\n  File "{unit}", line 1, in {short}\n')
    config.write_text(json.dumps(CONFIG))
    assert main(["flash", "--explain", str(log), "--config", str(config)]) == 0
    assert f", in {meant}\n" in capsys.readouterr().out
    assert main(["flash", "--explain", str(tmp_path / "none"), "--config", str(config)]) == 2
    assert "none: " in capsys.readouterr().err
