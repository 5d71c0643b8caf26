"""Evaluates the pipelines of a template: variables, fields, methods and functions, with the semantics of ``text/template`` of Go 1.26."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.templates.errors import CallError, LimitError
from rules.templates.gotime import DURATION_METHODS, TIME_METHODS, UNSUPPORTED_METHODS, Method
from rules.templates.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Pipe,
    String,
    Variable,
)
from rules.templates.numbers import MAX_INT
from rules.templates.state import State
from rules.templates.values import (
    STRUCT_FIELDS,
    AlertData,
    Duration,
    GoMap,
    SamplePointer,
    Time,
    Value,
    truth,
    type_name,
)


class _Missing:
    """No value came down the pipeline; nil may."""


_MISSING = _Missing()
_NILABLE = frozenset(("any", "value", "template.queryResult", "*template.sample"))
_SHOWN = {"any": "interface {}", "value": "reflect.Value"}
_METHODS: dict[type, Mapping[str, Method]] = {Time: TIME_METHODS, Duration: DURATION_METHODS}


class Evaluator(State):
    """The values of pipelines."""

    def _pipeline(self, dot: Value, pipe: Pipe) -> Value:
        self._node = pipe
        value: Value = _MISSING
        for command in pipe.commands:
            value = self._command(dot, command, value)
        for variable in pipe.declared:
            if pipe.assigns:
                self._assign(variable.name, value)
            else:
                self._variables.append([variable.name, value])
        return value

    def _command(self, dot: Value, command: Command, final: Value) -> Value:
        first, args = command.args[0], command.args[1:]
        match first:
            case Variable() | Field() | Chain():
                return self._chain(dot, first, args, final)
            case Identifier():
                self._node = first
                return self._function(dot, first, command, args, final)
            case Pipe():
                self._no_function(first, args, final)
                return self._pipeline(dot, first)
        self._node = first
        self._no_function(first, args, final)
        if isinstance(first, Nil):
            self._fail("nil is not a command")
        return self._constant(dot, first)

    def _no_function(self, node: Node, args: Sequence[Node], final: Value) -> None:
        if args or final is not _MISSING:
            self._fail(f"can't give argument to non-function {node}")

    def _constant(self, dot: Value, node: Node) -> Value:
        match node:
            case String():
                return node.text
            case Number():
                return self._number(node)
            case Bool():
                return node.value
            case _:
                return dot

    def _number(self, node: Number) -> Value:
        """The value of a number without a wanted type: its notation decides."""
        if node.as_complex is not None:
            return node.as_complex
        hexadecimal = node.text[:2] in ("0x", "0X") and not any(mark in node.text for mark in "pP")
        if not hexadecimal and node.text[0] != "'" and any(mark in node.text for mark in ".eEpP"):
            return node.as_float
        if node.as_int is None or node.as_int > MAX_INT:
            self._fail(f"{node.text} overflows int")
        return node.as_int

    def _chain(self, dot: Value, node: Variable | Field | Chain, args: Sequence[Node], final: Value) -> Value:
        self._node = node
        if isinstance(node, Field):
            receiver = dot
        elif isinstance(node, Variable):
            receiver = self._lookup(node.name)
            if not node.fields:
                self._no_function(node, args, final)
                return receiver
        else:
            if isinstance(node.node, Nil):
                self._fail(f"indirection through explicit nil in {node}")
            receiver = self._argument(dot, node.node, "any")
        held = False
        for name in node.fields[:-1]:
            holder = receiver
            receiver = self._field(dot, name, node, (), _MISSING, receiver, held)
            held = _holds_anything(holder, name)
        return self._field(dot, node.fields[-1], node, args, final, receiver, held)

    def _field(
        self, dot: Value, name: str, node: Node, args: Sequence[Node], final: Value, receiver: Value, held: bool
    ) -> Value:
        """A field, an entry or a method's result; ``held`` says that the receiver came out of an ``interface {}``."""
        if receiver is None:
            if held:
                self._fail(f"nil pointer evaluating interface {{}}.{name}")
            return None
        kind = type(receiver)
        if (methods := _METHODS.get(kind)) is not None and (method := methods.get(name)) is not None:
            return self._invoke(
                dot, node, name, method.params, False, args, final, lambda *values: method.call(receiver, *values)
            )
        if kind is GoMap:
            if args or final is not _MISSING:
                self._fail(f"{name} is not a method but has arguments")
            return receiver.get(name)
        if name in STRUCT_FIELDS.get(kind, ()):
            if args or final is not _MISSING:
                self._fail(f"{name} has arguments but cannot be invoked as function")
            return getattr(receiver, name)
        if kind in _METHODS and name in UNSUPPORTED_METHODS:
            self._fail(f"method {name} of {type_name(receiver)} is not supported")
        self._fail(f"can't evaluate field {name} in type {'interface {}' if held else type_name(receiver)}")

    # Calls

    def _function(self, dot: Value, node: Identifier, whole: Node, args: Sequence[Node], final: Value) -> Value:
        function = self._program.functions[node.name]
        if node.name in ("and", "or"):
            return self._short_circuit(dot, node.name, args, final)
        context = self._context
        if node.name == "call" and (args or final is not _MISSING):
            # Its messages name the callee as it is written.
            callee = str(args[0]) if args else final if isinstance(final, str) else f"<{type_name(final)} Value>"
            return self._invoke(
                dot, whole, node.name, function.params, True, args, final,
                lambda *values: function.call(context, callee, *values),
            )  # fmt: skip
        return self._invoke(
            dot, whole, node.name, function.params, function.variadic, args, final,
            lambda *values: function.call(context, *values),
        )  # fmt: skip

    def _short_circuit(self, dot: Value, name: str, args: Sequence[Node], final: Value) -> Value:
        if not args and final is _MISSING:
            self._fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: Value = None
        for arg in args:
            value = self._argument(dot, arg, "value")
            if truth(value) == (name == "or"):
                return value
        return value if final is _MISSING else final

    def _invoke(
        self,
        dot: Value,
        node: Node,
        name: str,
        params: tuple[str, ...],
        variadic: bool,
        args: Sequence[Node],
        final: Value,
        call: object,
    ) -> Value:
        count = len(args) + (final is not _MISSING)
        fixed = len(params) - 1 if variadic else len(params)
        if variadic and count < fixed:
            self._fail(f"wrong number of args for {name}: want at least {fixed} got {len(args)}")
        if not variadic and count != fixed:
            self._fail(f"wrong number of args for {name}: want {fixed} got {count}")
        values = [self._argument(dot, arg, params[min(at, len(params) - 1)]) for at, arg in enumerate(args)]
        if final is not _MISSING:
            values.append(self._checked(final, params[min(count, len(params)) - 1]))
        try:
            result = call(*values)  # type: ignore[operator]
        except LimitError as error:
            self._node = node
            self._limit(f"error calling {name}: {error}")
        except CallError as error:
            self._node = node
            self._fail(f"error calling {name}: {error}")
        handled = len(result) if isinstance(result, str) else 0
        for value in values:
            if isinstance(value, str):
                handled += len(value)
        self._spend(1 + handled // 16)
        return result

    def _argument(self, dot: Value, node: Node, param: str) -> Value:
        self._node = node
        match node:
            case Dot():
                return self._checked(dot, param)
            case Nil():
                if param in _NILABLE:
                    return None
                self._fail(f"cannot assign nil to {param}")
            case Field() | Variable() | Chain():
                return self._checked(self._chain(dot, node, (), _MISSING), param)
            case Pipe():
                return self._checked(self._pipeline(dot, node), param)
            case Identifier():
                return self._checked(self._function(dot, node, node, (), _MISSING), param)
        if param in ("any", "value"):
            return self._constant(dot, node)
        if param == "string":
            if isinstance(node, String):
                return node.text
            self._fail(f"expected string; found {node}")
        if param in ("int", "time.Duration"):
            if isinstance(node, Number) and node.as_int is not None and node.as_int <= MAX_INT:
                return node.as_int if param == "int" else Duration(node.as_int)
            self._fail(f"expected integer; found {node}")
        self._fail(f"can't handle {node} for arg of type {param}")

    def _checked(self, value: Value, param: str) -> Value:
        if param in ("any", "value"):
            return value
        if value is None:
            if param in _NILABLE:
                return None
            self._fail(f"invalid value; expected {_SHOWN.get(param, param)}")
        name = type_name(value)
        if name == param or (name == f"*{param}" and isinstance(value, (Time, Duration))):
            return value
        self._fail(f"wrong type for value; expected {param}; got {name}")


def _holds_anything(receiver: Value, name: str) -> bool:
    if isinstance(receiver, GoMap):
        return receiver.element != "string"
    return isinstance(receiver, (AlertData, SamplePointer)) and name == "Value"
