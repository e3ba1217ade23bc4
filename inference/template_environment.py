"""Jinja for chat templates: Hugging Face's dialect, in Jinja's own sandbox, and within a budget.

Jinja parses, compiles and runs the template, so that it means what it means elsewhere. Between parsing and compiling,
each place where work could grow is wrapped in a call that pays for it (`template_budget`): loops, macros, joined
texts, comparisons. Operators, calls, filters, tests and what is printed are paid for where the sandbox lets one in.
Why not a process with limits, or a clock? It would cost more than the template itself, and end differently each time.
"""

from collections.abc import Callable, Collection, Iterable
from math import isfinite
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateRuntimeError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace
from jinja2.visitor import NodeTransformer

from inference.template_budget import budget, checked_integer, glance, joined, repeated, weigh
from inference.template_methods import ATTRIBUTES, check_method, make_filters, make_tests, materialised

_REFUSED = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block)
_CALLABLE = (Macro, Cycler, Joiner, LoopContext)


class _Generation(Extension):
    """`{% generation %}` marks what an assistant said, for training; here it is a scope and nothing more."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compile with `from_string`, after `template_budget.begin` render."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))
    concat = staticmethod(joined)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing of a template runs while it is compiled
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
            finalize=_printed,
        )
        self.filters.clear()
        self.filters.update(make_filters())
        self.tests.clear()
        self.tests.update(make_tests())
        known = ("range", "dict", "cycler", "joiner", "namespace")
        self.globals = {name: self.globals[name] for name in known} | {"raise_exception": _refuse}
        self._functions = tuple(self.globals.values())

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        refused = next(tree.find_all(_REFUSED), None)
        if refused is not None:
            raise TemplateError(f"line {refused.lineno}: {type(refused).__name__.lower()} is not supported")
        for constant in tree.find_all(nodes.Const):
            # Jinja would compile it to the name `inf`, which nothing defines.
            if isinstance(constant.value, float) and not isfinite(constant.value):
                raise TemplateError(f"line {constant.lineno}: a number is too large for floating point")
        return _Paid().visit(tree)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, names in ATTRIBUTES.items():
            if isinstance(obj, kind):
                return attr in names
        return isinstance(obj, LoopContext | Cycler | Macro | Namespace) and not attr.startswith("_")

    def getitem(self, obj: Any, argument: Any) -> Any:
        found = super().getitem(obj, argument)
        if isinstance(argument, slice):
            glance(found)
        return found

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        places = {name: kwargs.pop(name) for name in ("_loop_vars", "_block_vars") if name in kwargs}  # Jinja's own
        subject = getattr(__obj, "__self__", None)
        if subject is __self and __obj.__name__ in _HOOKS:
            return __obj(*args, **kwargs)
        if isinstance(subject, tuple(ATTRIBUTES)):
            check_method(__obj, args, kwargs)
        elif isinstance(__obj, Undefined):
            return __obj()
        elif __obj not in __self._functions and not isinstance(__obj if subject is None else subject, _CALLABLE):
            raise TemplateRuntimeError(f"it calls a {type(__obj).__name__}")
        spent = budget()
        spent.enter()
        result = super().call(__context, __obj, *args, **kwargs, **places)
        spent.leave()
        glance(result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and operator == "%":
            raise TemplateRuntimeError("it formats a text with %, which is not supported")
        if operator == "*":
            for text, count in ((left, right), (right, left)):
                if isinstance(text, str | list | tuple) and isinstance(count, int):
                    repeated(text, count)
        elif operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            glance(left)
            glance(right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            checked_integer(1 << max(0, min(left.bit_length() * right, 1 << 20)))
        budget().spend(1)
        return checked_integer(super().call_binop(context, operator, left, right))

    # The hooks that `_Paid` puts into a template.

    def paid_loop(self, values: Iterable[Any], weight: int) -> Collection[Any]:
        items = materialised(values)
        budget().spend(1 + len(items) * weight)
        return items

    def paid_body(self, weight: int) -> None:
        budget().spend(weight)

    def paid_join(self, *parts: Any) -> str:
        for part in parts:
            weigh(part, printed=True)
        return joined(map(str, parts))

    def paid_operand(self, value: Any) -> Any:
        weigh(value)
        return value


_HOOKS = ("paid_loop", "paid_body", "paid_join", "paid_operand")


class _Paid(NodeTransformer):
    """Wraps what is not intercepted elsewhere. The weight of a body is how many nodes it has."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateError(f"line {node.lineno}: recursive loops are not supported")
        weight = _weight(node)
        self.generic_visit(node)
        node.iter = _call("paid_loop", node.iter, nodes.Const(weight))  # type: ignore[arg-type]
        return node

    def visit_Macro(self, node: nodes.Macro | nodes.CallBlock) -> nodes.Node:
        weight = _weight(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("paid_body", nodes.Const(weight))))
        return node

    visit_CallBlock = visit_Macro

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call("paid_join", *node.nodes)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _call("paid_operand", node.expr)
        for operand in node.ops:
            operand.expr = _call("paid_operand", operand.expr)
        return node


def _weight(node: nodes.Node) -> int:
    return 1 + sum(1 for _ in node.find_all(nodes.Node))


def _call(hook: str, *args: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(hook), list(args), [], None, None)


@pass_context
def _printed(context: Context, value: Any) -> Any:
    if not isinstance(value, str):
        weigh(value, printed=True)
    return value


def _refuse(message: object) -> NoReturn:
    raise TemplateError(str(message))


def compile_template(source: str) -> Callable[..., str]:
    """A function that renders the template with the variables that it is given."""
    return TemplateEnvironment().from_string(source).render
