"""One request to a server that holds archived data. Errors hold the server's own message, and advice."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from transforms.io.history.samples import HistoryError

_SHOWN = 500


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
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="GET" if body is None else "POST")
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=context) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        answer = error.read(_SHOWN).decode(errors="replace").strip()
        hint = f"; {advice[error.code]}" if error.code in advice else ""
        raise HistoryError(f"{url}: the server answers {error.code}: {answer or error.reason}{hint}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise HistoryError(f"{url}: {reason}; is the server up, and is this its address?") from None


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
    try:
        text = Path(path).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise HistoryError(f"{where}: the file that {variable}_FILE names cannot be read: {error}") from None
    if not text:
        raise HistoryError(f"{where}: the file {path}, which {variable}_FILE names, is empty")
    return text
