"""Tables of commands, and how a command ends."""

from __future__ import annotations

import pytest

from schemas.errors import FAILURE, MISTAKE, UserError
from services.kit.commands import refusing, reported


class Unreachable(UserError):
    status = FAILURE


@pytest.mark.parametrize(
    ("error", "status"), [(UserError("no"), MISTAKE), (UserError("no", 7), 7), (Unreachable("no"), FAILURE)]
)
def test_an_error_of_the_user_ends_a_command_with_its_status(
    error: UserError, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert reported("tidemark x", work) == status
    assert capsys.readouterr().err == "tidemark x: no\n"


def test_a_command_that_works_ends_with_its_own_status() -> None:
    assert reported("tidemark x", lambda: 3) == 3


def test_a_defect_keeps_its_traceback() -> None:
    def work() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        reported("tidemark x", work)


@pytest.mark.parametrize("error", [OSError(2, "not there"), Unreachable("down")])
def test_errors_within_become_the_users_with_one_status(error: Exception) -> None:
    with pytest.raises(UserError) as refused, refusing(OSError, status=5):
        raise error
    assert (str(refused.value), refused.value.status) == (str(error), 5)


def test_other_errors_within_stay_what_they_are() -> None:
    with pytest.raises(KeyError), refusing(OSError, status=5):
        raise KeyError("x")
