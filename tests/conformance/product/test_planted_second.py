"""Every story of the second half sees a defect: the operator or a server gets one for each, and the story must fail by what it says."""

import pytest

from tests.conformance.product.planted_run import LAST, SECOND, Entry, failed_otherwise, not_failed, planted_run, without_a_defect

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Entry]:
    return planted_run((*SECOND, *LAST), tmp_path_factory.mktemp("planted"))


def test_every_story_has_a_defect_that_it_must_see(stories: dict[str, Entry]) -> None:
    assert without_a_defect(stories) == []


def test_every_story_fails_where_its_defect_is_planted_and_by_what_is_about_it(stories: dict[str, Entry]) -> None:
    assert not_failed(stories) == []
    assert failed_otherwise(stories) == []
