"""One request to a server that holds archived data. Errors hold the server's own message, and advice."""

from __future__ import annotations

import os
from collections.abc import Mapping

from services.kit.http import NoAnswer, ask
from transforms.io.history.samples import HistoryError
from transforms.io.secrets import read_secret


def post(
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
    advice: Mapping[int, str],
    ca_file: str | None = None,
) -> bytes:
    """The body of the answer to a POST, or to a GET where there is no body to send.

    Args:
        advice: by status code, what to do.

    Raises:
        HistoryError: there is no answer, or one that is no success.
    """
    method = "GET" if body is None else "POST"
    try:
        answer = ask(method, url, timeout_s=timeout_s, body=body, headers=headers, ca_file=ca_file)
    except NoAnswer as error:
        raise HistoryError(f"{url}: {error}; is the server up, and is this its address?") from None
    if not answer.success:
        hint = f"; {advice[answer.status]}" if answer.status in advice else ""
        raise HistoryError(f"{url}: the server answers {answer.status}: {answer.text() or answer.reason}{hint}")
    return answer.body


def secret(variable: str, where: str) -> str | None:
    """What a variable of the environment holds, or the file that the variable with ``_FILE`` after its name names; None if neither is set.

    Raises:
        HistoryError: the file cannot be read or is empty.
    """
    if found := os.environ.get(variable):
        return found
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    return read_secret(path, f"{where}: the file that {variable}_FILE names", HistoryError)
