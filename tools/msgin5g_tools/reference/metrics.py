"""docs/reference/metrics.md: what server and gateway tell Prometheus."""

from msgin5g_host.metrics import METRICS
from msgin5g_tools.reference.markdown import code, page, table

_INTRODUCTION = """\
`GET /metrics` at the HTTP address of a server or gateway, in the text format of Prometheus; with
`[http] token` it wants that bearer token. Nothing is kept for it: what is counted anyway is read
when somebody asks. Labels have few values whatever peers send: a word that is neither the
standard's nor our own is `other`. The tables of `msgin5g_table_entries` are named after their
limits in [limits.md](limits.md): `stored` is `server MAX_STORED`. `link` is a link's URL as it is
bound, or `MSGin5G-1` towards UEs and gateways (server) or the server (gateway)."""
_EXAMPLE = """\
```yaml
# prometheus.yml
scrape_configs:
  - job_name: msgin5g
    static_configs:
      - targets: ["127.0.0.1:8080", "127.0.0.1:8081"]
```"""


def page_of_metrics() -> str:
    """Return the page."""
    rows = [
        (
            code(name),
            metric.kind,
            ", ".join(map(code, metric.labels)),
            ", ".join(metric.roles),
            metric.help,
        )
        for name, metric in METRICS.items()
    ]
    heads = ("metric", "type", "labels", "of", "what it is")
    return page("Metrics", _INTRODUCTION, _EXAMPLE, table(heads, rows))
