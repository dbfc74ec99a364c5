"""Programs in which a name, a moment or an object is easily taken for another: all of them do
what they did when they are packed."""

import pytest

from tests.tools.test_specialise import packed

# `self` that is no method's object, and variables that are more than a name for it.
SELVES = {
    "self_none_plain": """\
def f(self):
    return self is None
print(f(None), f(1))
""",
    "self_none_stored": """\
class A:
    def f(self, x):
        self = x
        return self is None
print(A().f(None), A().f(2))
""",
    "self_none_static": """\
class A:
    @staticmethod
    def f(self):
        return self is None
print(A.f(None), A.f(2))
""",
    "global_self": """\
now = None
class A:
    def start(self):
        global now
        now = self
        self.x = 4
    def z(self):
        return 1
A().start()
print(now is None, now.z())
""",
    "except_as_self": """\
class A:
    def f(self, x):
        e = self
        print(e is self)
        try:
            int(x)
        except ValueError as e:
            print(str(e)[:10])
A().f('q')
A().f('1')
""",
    "except_alias_self": """\
class A:
    def go_(self, x):
        peer = self
        import time as peer
        return peer is self
print(A().go_(1))
""",
    "self_param_comp": """\
class A:
    def __init__(self, k):
        self.k = [k]
    def one_(self, state):
        return [state.k for self in (1, 2)]
    def go_(self):
        return self.one_(self)
print(A(1).go_(), A(2).go_())
""",
    "self_lambda": """\
class A:
    def __init__(self, k):
        self.k = [k]
    def go_(self):
        me = self
        return (lambda self: me.k)(3)
print(A(1).go_())
""",
    "self_other_fn": """\
class A:
    def __init__(self, k):
        self.k = [k]
    def one_(self, state):
        return state.k
def go(self, other):
    return self.one_(self) + other.one_(other)
print(go(A(1), A(2)))
""",
}
# Parameters that something else than an assignment sets.
PARAMETERS = {
    "except_as_param": """\
def f(x, e=None):
    try:
        g(x)
    except ValueError as e:
        return str(e)
    return e
def g(x):
    if x > 2:
        raise ValueError('big')
    print(x, 'ok')
print(f(1), f(5))
""",
    "import_param": """\
def f(x, os=None):
    if x:
        import os
    return os is None
print(f(1), f(1))
""",
    "def_param": """\
def f(x, h=None):
    def h():
        return 3
    return h()
print(f(1), f(2))
""",
    "kwarg_hidden": """\
def f(a, *, err=None):
    try:
        int(a)
    except ValueError as err:
        return type(err).__name__
    return err
print(f('x', err=[1]), f('1', err=[2]))
""",
    "kwarg_hidden2": """\
def f(a, err=None):
    g = lambda err: [err]
    return g(a), err
print(f('x', err=[1]), f('1', err=[2]))
""",
}
# Statements that are never reached, and mean something.
NEVER = {
    "gen_folded": """\
def g(x, flag=False):
    print(x)
    if flag:
        yield 1
print(list(g(1)), list(g(2)))
""",
    "empty_gen": """\
def g(x):
    print(x)
    return
    yield
print(list(g(1)), list(g(2)))
""",
    "yield_from": """\
def ff_(x):
    print(9)
    return gg_(x)
def gg_(x):
    print(8)
    yield from x
a = ff_([1, 2])
print(7)
print(list(a))
""",
    "dead_global": """\
n = 1
def f(k=2):
    if k == 3:
        global n
    n = 7
f()
f()
print(n)
""",
}
# Objects that are not made of what is given alone.
RECORDS = {
    "rec_self": """\
class N:
    def __init__(self, x):
        self.next = self
        self.x = x
def main(y):
    n = N(y)
    return n.next is n, n.next.x
print(main(3), main(4))
""",
    "rec_try": """\
class P:
    def __init__(self, x):
        self.x = x
def main(c):
    p = None
    try:
        p = P(c['k'])
    except KeyError:
        pass
    return p and p.x
print(main({'k': 1}), main({}))
""",
    "rec_with2": """\
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y
class Quiet:
    def __enter__(self):
        return self
    def __exit__(self, *_):
        return True
def main(given):
    point = None
    with Quiet():
        point = Point(given["x"], given["y"])
    return point and [point.x, point.y]
print(main({"x": 1, "y": 2}), main({"x": 3}))
""",
    "rec_in_loop_try": """\
class P:
    def __init__(self, x, y):
        self.x = x
        self.y = y
def main(items):
    last = None
    for one in items:
        try:
            last = P(one['a'], one['b'])
        except KeyError:
            break
    return last.x, last.y
print(main([{'a': 1, 'b': 2}, {'a': 3}]))
""",
    "rec_default_name": """\
lim = [3]
class P:
    def __init__(self, x, l=lim):
        self.x = x
        self.l = l
def main(c):
    global lim
    lim = [9]
    p = P(c)
    return p.x, p.l, lim
print(main(1), main(2))
""",
    "rec_prop": """\
class Q:
    @property
    def v(self):
        print('read v')
        return 1
    @property
    def w(self):
        print('read w')
        return 2
class P:
    def __init__(self, x, y):
        self.y = y
        self.x = x
def main(q):
    p = P(q.v, q.w)
    return p.x, p.y
print(main(Q()))
""",
}
# Names that mean something else where a function is put.
HIDDEN = {
    "hidden_builtin": """\
def size_(x):
    return len(x)
def f(len):
    return size_([1, 2]) + len
print(f(5), f(6))
""",
    "hidden_builtin_unfold": """\
def size_(x):
    for one in x:
        print(max(one, 3))
def f(max):
    size_([1, 2])
    print(max)
f(5)
f(6)
""",
    "hidden_foreign": """\
import time
def zone_():
    return time.daylight is not None
def f(time):
    return zone_(), time
print(f(1), f(2))
""",
    "hidden_comp": """\
def size_(x):
    return len(x)
def f(y):
    return [size_(y) for len in (1, 2)]
print(f([5]), f([6, 7]))
""",
    "hidden_public_unfold": """\
limit = 3
def _get(x):
    for one in range(limit):
        print(one)
def g(limit):
    _get(limit)
    print(limit)
print(g(1), g(2))
""",
    "top_except": """\
try:
    int('x')
except ValueError as e:
    print(str(e)[:7])
def f(x):
    try:
        int(x)
    except ValueError as e:
        print(str(e)[:7])
f('q')
f('1')
""",
    "top_except_named": """\
problem = None
def f():
    return problem
try:
    int('x')
except ValueError as problem:
    print(str(f())[:7])
def g(problem):
    return problem
print(g(1), g(2))
""",
    "comp_capture": """\
def one_(xs, k):
    return [k + x for x in xs]
def two_(xs, x):
    return one_(xs, x)
print(two_([1, 2], 5), two_([3], 9))
""",
    "comp_capture2": """\
def one_(xs, k):
    a = [k + x for x in xs]
    print(a)
    return a
def two_(xs, x):
    b = one_(xs, x)
    return b, x
print(two_([1, 2], 5), two_([3], 9))
""",
    "nested_place": """\
def outer(x):
    def inner(y):
        print(v)
        return leaf_(y)
    v = 4
    return inner(x)
def leaf_(y):
    v = 5
    for one in (1, 2):
        v += one
    return v + y
print(outer(1), outer(2))
""",
    "local_max_end": """\
def f(x):
    print(max(x, 2))
    return g_(x)
def g_(x):
    max = 5
    for one in (1, 2):
        max += one
    return max + x
print(f(1), f(5))
""",
    "class_body_call": """\
def size_(x):
    return len(x)
class A:
    len = 7
    n = size_([1, 2])
print(A.n, A.len)
""",
}
# Values that change before they are read.
LATER = {
    "global_order1": """\
n = 0
def bump():
    global n
    n += 1
    print('b')
    return 10
def f(x):
    return bump() + x
def main():
    return f(n)
print(main(), main(), bump())
""",
    "global_order_unfold": """\
n = 0
def bump():
    global n
    n += 1
    print('b')
    return 10
def f(x):
    for one in range(2):
        bump()
    print(x)
def main():
    f(n)
    print(n)
main()
main()
bump()
""",
    "closure": """\
def f(x):
    cb = lambda: x
    return g(cb)
def g(cb):
    x = 5
    for one in (1, 2):
        x += one
    return cb() + x
print(f(1), f(2))
""",
    "genexp": """\
def f(x):
    cb = (x + one for one in (1, 2))
    return g(cb)
def g(cb):
    x = 5
    for one in cb:
        x += one
    return x
print(f(1), f(2))
""",
    "order_attr_unfold": """\
class A:
    def __init__(self):
        self.n_ = len('')
    def bump_(self):
        self.n_ += 1
    def show_(self, x):
        self.bump_()
        self.bump_()
        print(x, self.n_)
    def go_(self):
        self.show_(self.n_)
        self.bump_()
A().go_()
A().go_()
""",
}
# Calls that are no call of a name.
CALLS = {
    "unbound_method": """\
class A:
    def send_(self, x, y=3):
        print(self.k, x, y)
    def __init__(self):
        self.k = len('a')
A.send_(A(), 5)
A.send_(A(), 5)
""",
    "multi": """\
class A:
    def a_(self):
        return 1
class B:
    def __init__(self, x=1):
        self.x = [x]
class C(A, B):
    def c_(self):
        return self.a_(), self.x
print(C(5).c_(), C(6).c_(), B().x)
""",
    "type_self": """\
class A:
    def __init__(self, x=1):
        self.x = [x]
    def more_(self):
        return type(self)(5)
    def again_(self):
        return self.__class__(6)
print(A().x, A().more_().x, A().again_().x)
""",
    "super_other": """\
class L:
    def __init__(self, x=2):
        self.x = [x]
    def prep_(self):
        print('prep')
class U(L):
    def __init__(self):
        super().prep_()
        self.y = [1]
print(U().y, hasattr(U(), 'x'))
""",
    "super_other2": """\
class L:
    def __init__(self):
        print('init')
    def prep_(self):
        print('prep')
        print('prep')
class U(L):
    def __init__(self):
        super().prep_()
        self.y = [1]
print(U().y)
""",
}
# Functions that are not all that has their name.
BOUND = {
    "global_hook": """\
def log_(x):
    pass
def louder():
    global log_
    log_ = print
def main(x):
    log_(x)
main(1)
louder()
main(2)
""",
    "top_hook": """\
def log_(x):
    pass
if len('a'):
    log_ = print
def main(x):
    log_(x)
main(1)
""",
    "cond_def": """\
def now_(x=1):
    return x
if len('a'):
    def now_(x=1):
        return x + 1
print(now_(), now_(4))
""",
    "class_hook": """\
class A:
    hook_ = lambda self, x: print('a', x)
class B:
    def hook_(self, x):
        pass
def run(o):
    o.hook_(1)
run(A())
run(B())
""",
    "cond_method": """\
class A:
    if len('a'):
        def hook_(self, x):
            print('a', x)
class B:
    def hook_(self, x):
        pass
def run(o):
    o.hook_(1)
run(A())
run(B())
""",
}
PROGRAMS = {**SELVES, **PARAMETERS, **NEVER, **RECORDS, **HIDDEN, **LATER, **CALLS, **BOUND}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("public", [(), ("m",)])
def test_a_packed_program_does_what_it_did(name, public):
    packed(PROGRAMS[name], public=public)


def test_an_exception_that_needs_more_than_a_text_keeps_it():
    source = (
        "class Bad(Exception):\n    def __init__(self, code):\n        self.code = code\n"
        "class Worse(Bad):\n    pass\n"
        "def f(x):\n    raise Worse(x)\n"
        "try:\n    f(4)\nexcept Bad as problem:\n    print(problem.code)\n"
    )
    packed(source, quiet=["f", "Bad", "Worse"])
