from __future__ import annotations

from latebloom.measures import RECORDS
from latebloom.views.report import HEADINGS
from latebloom.views.sections import SECTIONS, SPECTRA


def test_every_curve_has_a_definition():
    drawn = {name for figures in SECTIONS.values() for figure in figures for name in figure.measures}
    assert drawn | set(SPECTRA) <= set(RECORDS)


def test_every_section_has_a_heading_and_every_figure_its_own_id():
    assert {*SECTIONS, "spectra", "more"} == set(HEADINGS)
    ids = [figure.id for figures in SECTIONS.values() for figure in figures]
    assert len(ids) == len(set(ids))
