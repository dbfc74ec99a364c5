"""Prometheus' own parser, for what /metrics says."""

from prometheus_client.parser import text_string_to_metric_families

from msgin5g_host.metrics import METRICS

# Label values are few: what a scrape may have at most.
MAX_SAMPLES = 2_000


def parsed(text):
    """Return {name: {labels: value}}; labels are a sorted tuple of (name, value).

    Every family is in the table, with its type, its labels and its help.
    """
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + "_total" if family.type == "counter" else family.name
        metric = METRICS[name]
        assert family.type == metric.kind
        assert family.documentation == metric.help or metric.from_library
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "le"}
            assert set(labels) == set(metric.labels), sample
            values = found.setdefault(sample.name, {})
            key = tuple(sorted(sample.labels.items()))
            assert key not in values, "no labels twice"
            values[key] = sample.value
    assert sum(map(len, found.values())) < MAX_SAMPLES
    return found


def value(found, name, **labels):
    """Return the sum of the samples with these labels."""
    wanted = set(labels.items())
    return sum(one for key, one in found.get(name, {}).items() if wanted <= set(key))
