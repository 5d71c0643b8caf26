"""Go templates as the labels and annotations of alerts use them: parsed, expanded, and looked through. Pure: data and time are arguments.

Semantics: ``text/template`` of Go 1.26 and the functions of Prometheus 3.14, messages included.
"""

from rules.templates.errors import TemplateError, TemplateLimitExceeded
from rules.templates.expansion import PRELUDE, Template, expand, expand_or_error, parse_template
from rules.templates.functions import TemplateContext
from rules.templates.usage import labels_used, queries

__all__ = [
    "PRELUDE",
    "Template",
    "TemplateContext",
    "TemplateError",
    "TemplateLimitExceeded",
    "expand",
    "expand_or_error",
    "labels_used",
    "parse_template",
    "queries",
]
