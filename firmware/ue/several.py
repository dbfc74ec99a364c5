"""Several messages or reports to one recipient in as few POSTs as possible (6.4.1.1.3, .5)."""

from msgin5g import names as n
from ue.compose import quoted
from ue.outbox import Item

# An entry of an aggregate, its Application ID and payload empty.
ENTRY_BYTES = 140
# An entry of an aggregated report, its cause empty.
REPORT_BYTES = 96


def aggregate(items, composer, new_id):
    """Return what to send for messages that were made singly: aggregates, and single ones.

    What does not fit together goes alone, and so does all that is urgent. new_id: a function that
    returns a Message ID.
    """
    out = []
    batch = None
    left = room = 0
    for item in items:
        text = item.parts[0]
        size = len(text.encode())
        cost = quoted(text) + ENTRY_BYTES + quoted(item.application or "")
        if len(item.parts) > 1 or item.priority == n.HIGH:
            out.append(item)
            continue
        if batch is None or size > left or cost > room:
            batch = Item(n.MSG, new_id(), item.kind, item.to)
            batch.store = item.store
            batch.report = item.report
            batch.application = item.application
            batch.priority = item.priority
            batch.is_aggregate = True
            batch.parts = []
            out.append(batch)
            left = composer.size_bytes
            room = composer.room(batch)
        batch.parts.append([item.id, text])  # type: ignore[attr-defined]
        left -= size
        room -= cost
    for item in out:
        if item.is_aggregate and len(item.parts) == 1:
            item.is_aggregate = False
            item.id, text = item.parts[0]
            item.parts = (text,)
    return out


def reports(items, first, composer):
    """Return the reports that go in one POST with `first`, itself included, in their order.

    The rules of 6.4.1.1.3 are kept: the same recipient, and no more than the segment size. A
    report that was refused once in company goes alone.
    """
    joined = [first]
    if first.is_doubted:
        return joined
    left = min(composer.room(first), composer.size_bytes) - _report_bytes(first)
    for item in items:
        if item is first or item.what != n.IMDN or item.is_doubted:
            continue
        if (item.kind, item.to) == (first.kind, first.to):
            left -= _report_bytes(item)
            if left < 0:
                break
            joined.append(item)
    return joined


def _report_bytes(item):
    return REPORT_BYTES + quoted(item.cause or "")
