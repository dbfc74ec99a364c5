"""What the modules of one board never do is left out, and the rest does what it did."""

import ast
import contextlib
import io

import pytest

from msgin5g_tools.shrink import pack


def printed(source):
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "m", "exec"), {"__name__": "m"})
    return out.getvalue()


def packed(source, **more):
    """The packed program, which prints what it printed before."""
    made = pack({"m": source}, **more).sources["m"]
    assert printed(made) == printed(source)
    return made


def functions(source):
    return sum(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(source)))


def test_a_parameter_that_is_always_the_same_becomes_a_constant_and_decides():
    source = (
        "def f(a, wanted=None, loud=False, *, last=1):\n    return a, wanted, loud, last\n"
        "def g(a, wanted=None, loud=False):\n    if wanted is None and not loud:\n"
        "        return [a]\n    return ['never']\n"
        "print(f(1), f(2, loud=True), g(1), g(2), g(a=3, loud=False))\n"
    )
    made = packed(source)
    assert "never" not in made and "wanted" in source


def test_a_parameter_that_is_not_always_the_same_or_set_stays():
    source = (
        "def f(a, b=1):\n    b += a\n    return b\n"
        "def g(a, b=1):\n    return a, b\n"
        "def h(a, b):\n    return [a for b in (a, 7)]\n"
        "print(f(1), f(2), g(1), g(2, 3), h(1, 2), h(3, 2), g(True), g(1))\n"
    )
    packed(source)


@pytest.mark.parametrize(
    "use",
    ["call = f\nprint(call(1, 2))", "print(f(*[1, 2]))", "print(f(**{'a': 1, 'b': 2}))"]
    + ["print([one(1, 2) for one in (f,)])", "print(f(1, 2), 'f')"],
)
def test_a_function_that_is_handed_on_keeps_its_parameters(use):
    packed(f"def f(a, b=5):\n    return a, b\nprint(f(3), f(4))\n{use}\n")


def test_what_applications_call_keeps_its_parameters():
    source = "def f(a, b=5):\n    return a if b == 5 else b\nprint(f(1), f(2))\n"
    assert "b=5" not in packed(source)
    assert "b=5" in packed(source, public=["m"])


CLASSES = """
class Params:
    def __init__(self, wait=2, tries=4):
        self.wait = wait
        self.tries = tries
        self.seen = 0
class Base:
    def __init__(self, rng, params=None, reuse=False):
        self.params = params or Params()
        self.rng = rng
        self.reuse = reuse
        self.unread = rng
    def step(self):
        if not self.reuse:
            return "fresh"
        return self.params.wait + self.params.tries
class Child(Base):
    def __init__(self, rng, params=None, reuse=False):
        super().__init__(rng, params, reuse)
        self.more = None
    def other(self):
        self.more = 1 if self.more is None else self.more + 1
        return self.more
one = Child(5, Params(wait=3), reuse=True)
print(one.step(), one.other(), one.other())
"""


def test_attributes_that_are_set_once_to_a_constant_are_no_attributes():
    made = packed(CLASSES)
    assert "fresh" not in made
    stored = {
        node.attr
        for node in ast.walk(ast.parse(made))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    # params and more.
    assert len(stored) <= 2


ONCE = """
class Box:
    def __init__(self):
        self.items_ = []
        self.state = "new"
    def run(self, value):
        state = value + 1
        self._note(state, "a")
        if self._is_full(2):
            return "full"
        self._guard(value)
        return self._last(state)
    def _note(self, state, text):
        value = [state, text]
        self.items_.append(value)
    def _is_full(self, limit):
        for one in self.items_:
            if one[0] > 10:
                return len(self.items_) > limit
        return False
    def _guard(self, value):
        if value == 3:
            self.state = "three"
            return
        state = "other"
        if value == 4:
            return
        self.state = state
    def _last(self, state):
        if state > 100:
            return None
        result = self._sum(*[state])
        text = self._told(result)
        return text
    def _sum(self, number):
        return number + len(self.items_)
    def _told(self, result):
        if result % 2:
            value = "odd"
        else:
            return "even"
        return value
def later(number):
    try:
        return risky(number)
    except ValueError as problem:
        return str(problem), number
def risky(number):
    number = number * 2
    if number > 4:
        raise ValueError("too much")
    return number
box = Box()
print([box.run(one) for one in (1, 3, 4, 20, 30, 200)], box.state, box.items_)
print(later(1), later(9))
"""


def test_a_function_that_is_called_once_is_put_there():
    assert functions(packed(ONCE)) <= functions(ONCE) - 5


def test_asynchronous_functions_too():
    source = (
        "import asyncio\n"
        "async def main():\n    await pause(3)\n    value = await answer()\n    print(value)\n"
        "async def pause(count):\n    for one in range(count):\n        await asyncio.sleep(0)\n"
        "        print(one)\n"
        "async def answer():\n    await asyncio.sleep(0)\n    return 42\n"
        "asyncio.run(main())\n"
    )
    made = packed(source)
    assert made.count("async def") == 1


def test_what_only_a_call_can_do_stays_a_call():
    source = (
        "def count():\n    yield 1\n"
        "def outer(x):\n    return list(walk(x)), twice(x), again(x)\n"
        "def walk(x):\n    yield x\n"
        "def twice(x):\n    return [one + x for one in (1, 2)]\n"
        "def again(x):\n    return x if x > 3 else again(x + 1)\n"
        "print(list(count()), outer(1))\n"
    )
    packed(source)


def test_texts_of_exceptions_that_nobody_reads_go():
    source = (
        "class Bad(Exception):\n    pass\n"
        "def f(x):\n    if x:\n        raise Bad('a long text')\n"
        "try:\n    f(1)\nexcept Bad:\n    print('bad')\nf(0)\n"
    )
    assert "a long text" in packed(source)
    assert "a long text" not in packed(source, quiet=["Bad"])


def test_what_is_counted_up_or_is_a_property_is_still_set():
    source = (
        "class A:\n    def __init__(self):\n        self.count = 0\n        self.level = 3\n"
        "        self.a, self.b = 1, 2\n    def up(self):\n        self.count += 1\n"
        "    @property\n    def level(self):\n        return 5\n    @level.setter\n"
        "    def level(self, value):\n        print('set', value)\n"
        "one = A()\none.up()\none.up()\n"
    )
    assert "set" in packed(source)


def test_an_attribute_that_is_only_set_to_one_constant_is_none():
    source = (
        "class A:\n    pass\n"
        "def first(one):\n    one.late = False\n    one.kind = 1\n    one.other = False\n"
        "def second(one):\n    one.late = False\n    one.kind = True\n    one.other = len('')\n"
        "def told(one):\n    return 'delayed' if one.late else [one.kind, one.other]\n"
        "one = A()\nfirst(one)\nprint(told(one))\nsecond(one)\nprint(told(one))\n"
    )
    made = packed(source)
    assert "delayed" not in made
    stored = [
        node.attr
        for node in ast.walk(ast.parse(made))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    assert len(stored) == 4


def test_calls_of_what_does_nothing_go_unless_they_do_something_by_the_way():
    source = (
        "class A:\n    def tally_(self, what):\n        '''Nothing.'''\n"
        "    def run_(self):\n        self.tally_('never')\n        self.tally_(said('twice'))\n"
        "        return self.tally_(1)\n"
        "def said(text):\n    print(text)\n"
        "one = A()\nprint(one.run_(), one.run_())\n"
    )
    made = packed(source)
    assert "never" not in made and "twice" in made


def test_functions_that_are_one_expression_are_put_where_they_are_called():
    source = (
        "class Table:\n    def __init__(self):\n        self.rows_ = [1]\n"
        "    def of_(self, peer):\n        return self\n"
        "    def rest_(self):\n        return not (self.rows_ or self.seen_())\n"
        "    def seen_(self):\n        return len(self.rows_) > 3\n"
        "class A:\n    def __init__(self):\n        self.table_ = Table()\n"
        "    def ask_(self, peer):\n        table = self.table_.of_(peer)\n"
        "        return table.rest_() + double(peer), self.table_.of_(1).rows_\n"
        "def double(x):\n    return x + x\n"
        "def again(x):\n    return x if x > 3 else again(x + 1)\n"
        "def order(x, y):\n    return [y, x]\n"
        "def said(x):\n    print(x)\n    return x\n"
        "print(A().ask_(4), again(0), order(said(1), said(2)))\n"
    )
    made = packed(source)
    # said, again, order, the two __init__, and what A().ask_ is.
    assert functions(made) <= 6


CHAIN = """
class Lower:
    LIMIT = 3
    def __init__(self, first, more=2):
        self.first = [first]
        self.more = more
    def send_(self, x):
        self.first.append(x)
        return self.LIMIT
class Upper(Lower):
    def __init__(self, first):
        super().__init__(first, more=first)
        self.last = first
    def both_(self):
        return self.send_(1), self.send_(2), self.first, self.more, self.last
print(Upper(3).both_(), Upper(4).both_())
"""


def classes(source):
    return sum(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse(source)))


def test_a_class_that_only_another_is_derived_from_is_one_with_it():
    made = packed(CHAIN)
    assert classes(made) == 1 and "super" not in made


@pytest.mark.parametrize(
    "more",
    [
        "print(Lower(1, 2).send_(3))",
        "class Other(Lower):\n    pass\nprint(Other(1).send_(2))",
        "print(isinstance(Upper(1), Lower))",
    ],
)
def test_a_class_that_is_more_than_that_stays(more):
    assert classes(packed(f"{CHAIN}\n{more}\n")) >= 2


@pytest.mark.parametrize(
    "changed",
    [
        ("self.last = first", "self.last = first\n    def send_(self, x):\n        return 8"),
        ("self.last = first", "self.last = super().send_(first)"),
        ("class Upper(Lower):", "class Upper(Lower):\n    LIMIT = 5"),
    ],
)
def test_a_class_whose_parts_another_replaces_or_asks_for_stays(changed):
    assert classes(packed(CHAIN.replace(*changed))) == 2


RECORDS = """
class Point:
    def __init__(self, x, y=2):
        self.x = x
        self.y = y
class Event:
    pass
class Notice:
    \'\'\'Nothing more.\'\'\'
def made(config, key):
    point = Point(config[key])
    return point.x + point.y
def told(text):
    one, other = Event(), Notice()
    one.text = text
    other.of = one
    return other.of.text
print(made({"a": 1}, "a"), made({"b": 5}, "b"), told("x"))
"""


def test_classes_that_hold_attributes_only_are_one():
    made = packed(RECORDS)
    assert classes(made) == 1 and "__init__" not in made


@pytest.mark.parametrize(
    "more",
    [
        "print(isinstance(Event(), Event), isinstance(Event(), Notice), Event is Notice)",
        "print(Point(4).y, [type(one).__name__ == 'Event' for one in (Event(),)])",
        "Event.text = 'for all'\nprint(Event().text)",
        "class Late(Event):\n    pass\nprint(isinstance(Late(), Event))",
        "class Later(Point):\n    pass\nprint(Later(4).x)",
    ],
)
def test_classes_that_somebody_tells_apart_stay(more):
    packed(f"{RECORDS}\n{more}\n")


@pytest.mark.parametrize(
    "made",
    [
        "Point(said(1), said(2))",
        "Point(y=said(1), x=said(2))",
        "Point(1, [point])",
        "Point(point)",
    ],
)
def test_an_object_that_is_made_of_more_than_what_is_read_is_made_by_its_class(made):
    source = (
        "class Point:\n    def __init__(self, x, y=2):\n        self.b = y\n        self.a = x\n"
        "def said(x):\n    print(x)\n    return x\n"
        f"def main(point):\n    point = {made}\n    print(point.a, point.b)\nmain(7)\n"
    )
    packed(source)


ALONE = """
class Peer:
    def __init__(self):
        self.waiting = []
    def state_(self, peer):
        return self
    def start_(self, item, state):
        if state is not None:
            state.waiting.append(item)
        return len(state.waiting)
    def ask_(self, item):
        state = self.state_(1)
        if state is None:
            return "nobody"
        return self.start_(item, state), self.start_(item, state)
one = Peer()
print(one.ask_(5), one.ask_(6))
"""


def test_a_state_that_is_the_objects_own_is_no_variable_and_not_passed_on():
    made = packed(ALONE)
    assert "nobody" not in made and "None" not in made
    nodes = ast.walk(ast.parse(made))
    assert max(len(one.args.args) for one in nodes if isinstance(one, ast.FunctionDef)) == 2


@pytest.mark.parametrize(
    "changed",
    [
        (
            "state = self.state_(1)",
            "state = self.state_(1)\n        state = Peer() if item == 6 else state",
        ),
        ("self.start_(item, state), self", "self.start_(item, Peer()), self"),
        ("print(one", "print(Peer().start_(3, one), one"),
        ("        return len", "        state = Peer()\n        return len"),
        ("return self.start_(item, state), ", "return [one.waiting for one in [state]], "),
    ],
)
def test_a_state_that_may_be_anothers_stays(changed):
    assert changed[0] in ALONE
    packed(ALONE.replace(*changed))


def test_constants_that_are_compared_decide():
    source = (
        "def f(kind, x):\n    if kind == 50:\n        return x + 1\n    return 'never'\n"
        "def g(kind, x):\n    return 'other' if kind != 3 else x * 2\n"
        "print(f(50, 1), f(50, 2), g(3, 1), g(3, 2))\n"
    )
    made = packed(source)
    assert "never" not in made and "other" not in made


def test_texts_of_functions_that_nobody_reads_go():
    source = (
        "def f(x):\n    if x:\n        raise ValueError('a long text')\n"
        "def g(x):\n    if x:\n        raise ValueError('one to read')\n"
        "for one in (f, g):\n    try:\n        one(1)\n    except ValueError:\n"
        "        print('bad')\n    one(0)\n"
    )
    made = packed(source, quiet=["f"])
    assert "a long text" not in made and "one to read" in made
