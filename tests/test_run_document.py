"""What runs the documents notices what is wrong in them."""

import pytest

from tests import run_document
from tests.run_document import Failed, run

GOOD = """\
Write it, `note.txt`:

```text
one
```

<!-- stays: started -->
```sh
echo started; sleep 60
```

```sh
cat note.txt; ls -d docs
printf 'port  4711\\nlast  line\\n'
```

<!-- prints -->
```text
one
port …
last line
```

<!-- not run: it would end the world -->
```sh
exit 1
```
"""


def document(folder, text):
    file = folder / "page.md"
    file.write_text(text)
    return str(file)


def test_a_document_that_is_right(tmp_path):
    run(document(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("cat note.txt;", "cat nothing.txt;", "line 12: exit 1"),
        ("<!-- not run: it would end the world -->\n", "", "exit 1"),
        ("port …", "port 4712", "this did not come"),
        ("one\nport …\nlast line\n```", "last line\none\n```", "this did not come"),
        ("echo started; sleep 60", "true", "'started' did not come"),
        ("`note.txt`", "`docs/note.txt`", "exit 1"),
        ("`note.txt`", "`README.md`", "README.md is not a file of its own"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, right, wrong, told):
    assert right in GOOD
    with pytest.raises(Failed, match=told):
        run(document(tmp_path, GOOD.replace(right, wrong)))


def test_what_stays_and_says_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(run_document, "LIMIT_S", 1.0)
    with pytest.raises(Failed, match="line 8: 'ready' did not come"):
        run(document(tmp_path, GOOD.replace("stays: started", "stays: ready")))
