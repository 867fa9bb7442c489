"""The Router's page for humans: the services of the cluster, and where to go from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from nemeton.model import NodeRole

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>nemeton</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.2rem 1.5rem .2rem 0;vertical-align:top}}code{{background:#eee;padding:.1rem .3rem}}</style></head><body>
<h1>nemeton</h1>
<table>{rows}</table>
<p>Ask: <code>curl -H 'Content-Type: application/json' -d '{{"query":"SELECT 1"}}' …/druid/v2/sql</code></p>
<ul><li><a href="/druid/indexer/v1/tasks">tasks</a></li>
<li><a href="/druid/coordinator/v1/metadata/datasources">data sources</a></li>
<li><a href="/druid/coordinator/v1/loadstatus">load status</a></li>
<li><a href="/status">status of this Router</a></li></ul>
</body></html>
"""


def landing_page(nodes: Mapping[NodeRole, Sequence[str]]) -> str:
    """HTML with the addresses of each role."""
    rows = "".join(
        f"<tr><td>{escape(role.json_name)}</td><td>{'<br>'.join(_link(url) for url in urls) or '–'}</td></tr>"
        for role, urls in nodes.items()
    )
    return _PAGE.format(rows=rows)


def _link(url: str) -> str:
    return f'<a href="{escape(url)}/status">{escape(url)}</a>'
