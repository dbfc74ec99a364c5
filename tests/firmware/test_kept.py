"""Numbers reserved in strides."""

from types import SimpleNamespace

from ue.kept import STRIDE, Kept


def started(saved=None):
    endpoint = SimpleNamespace(first_mid=None, next_token_number=None)
    return Kept(saved or {}, endpoint, lambda limit: limit - 1), endpoint


def test_the_first_number_of_each_stride_wants_saving():
    kept, _ = started()
    wants = [kept.spend() for _ in range(3 * STRIDE)]
    assert [at for at, one in enumerate(wants) if one] == [0, STRIDE, 2 * STRIDE]


def test_a_restart_goes_on_behind_what_was_reserved():
    kept, endpoint = started({"mid": 65500, "token": 7})
    assert (endpoint.first_mid, endpoint.next_token_number) == (65500, 7)
    for _ in range(STRIDE + 1):
        kept.spend()
    assert kept.snapshot()["mid"] == 65500 + 2 * STRIDE - 65536
    assert kept.snapshot()["token"] == 7 + 2 * STRIDE


def test_nothing_used_means_nothing_is_skipped():
    kept, _ = started({"mid": 5, "token": 6})
    assert kept.note("registered", True)
    assert kept.snapshot() == {"wanted": "registered", "known": True, "mid": 5, "token": 6}


def test_only_a_change_wants_saving():
    kept, _ = started()
    assert kept.wanted is None and not kept.known
    assert kept.note("registered", True) and not kept.note("registered", True)
    assert kept.note("deregistered", True) and kept.note("deregistered", False)


def test_a_state_that_does_not_say_whether_a_server_knows_the_ue_means_it_may():
    assert started({"wanted": "deregistered"})[0].known
