"""Every relative link of a page that is read on a host of repositories has a text and leads to a tracked file."""

from __future__ import annotations

import posixpath
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MADE = "calibration claims measures models optimisers settings specs surgeries tasks"
GENERATED = {f"docs/{name}.md" for name in MADE.split()}
"""Pages that `make docs` writes."""


@cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return frozenset(listed.stdout.split("\0"))


def pages() -> list[str]:
    kinds = (r"docs/[^/]+\.md", r"README\.md", r"claims/README\.md", r"claims/[^/]+/finding\.md")
    return sorted(path for path in tracked() if any(re.fullmatch(kind, path) for kind in kinds))


def faults(page: str, text: str) -> list[str]:
    """Links of a page that show nothing, or lead to nothing that a clone has."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    found = []
    for said, link in re.findall(r"\[([^\[\]]*)\]\(([^()\s]*)\)", prose):
        file = link.partition("#")[0]
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(page), file)) if file else page
        folder = any(path.startswith(f"{leads}/") for path in tracked())
        if not said.strip() or not link:
            found.append(f"[{said}]({link}): no text, or no link")
        elif not re.match(r"[a-z]+:", link) and not (leads in tracked() or folder or leads in GENERATED):
            found.append(f"[{said}]({link}): no such tracked file")
    return found


def test_there_are_pages():
    assert {"README.md", "docs/index.md", "docs/forks.md", "claims/README.md", "claims/A1/finding.md"} <= set(pages())
    # an ignored page is not checked, so that none may be named here that somebody writes
    assert not GENERATED & tracked()


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_to_a_file(page):
    assert faults(page, (ROOT / page).read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("[forks](forks.md), [one](forks.md#fork-and-twin), [claims](../claims/README.md), [x](https://a.b/c)", 0),
        ("[measures](measures.md) and ![map](images/critical.png)", 0),
        ("[](forks)", 1),
        ("[forks](forks)", 1),
        ("[](forks.md)", 1),
        ("![map](images/no-such.png)", 1),
        ("[a](README.md)", 1),
        ("`[](forks)`\n```\n[](forks)\n```\n", 0),
    ],
)
def test_a_link_without_a_file_is_found(text, number):
    assert len(faults("docs/sweeps.md", text)) == number
