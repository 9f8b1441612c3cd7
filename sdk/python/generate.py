#!/usr/bin/env python3
"""Makes the generated part of this package from openapi/atoll.json, and the synchronous client from the asynchronous one.

`--check` changes nothing, and fails when a committed file is not what it would write. It uses nothing but the standard
library, and the `ruff` that `requirements-dev.txt` pins, for the format.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "openapi" / "atoll.json"
PACKAGE = HERE / "src" / "atoll_sdk"

Json = dict[str, Any]

# Operations whose bodies or answers are bytes or sockets: these are written by hand, in _async/.
BY_HAND = {
    "read_file",
    "write_file",
    "get_archive",
    "put_archive",
    "import_image",
    "build_image",
    "stream_exec",
    "follow_sandbox_logs",
    "watch_files",
    "open_terminal",
    "open_terminal_ws",
    # A page does this, without an account.
    "open_public_session",
    "listen_to_events",
    "get_metrics",
}
# The names of the methods that the reference of the SDK gives; otherwise a method is named as its operation.
NAMES = {
    "run_exec": "exec",
    "delete_sandbox": "destroy_sandbox",
    "get_sandbox_logs": "get_logs",
    "get_sandbox_metrics": "get_metrics",
    "create_job": "start_job",
    "delete_job": "stop_job",
}
# The names of the same on a sandbox that is at hand.
NAMES_AT_SANDBOX = {
    "get_sandbox": "get",
    "start_sandbox": "start",
    "stop_sandbox": "stop",
    "restart_sandbox": "restart",
    "pause_sandbox": "pause",
    "resume_sandbox": "resume",
    "destroy_sandbox": "destroy",
    "replicate_sandbox": "replicate",
    "keep_sandbox_alive": "keep_alive",
}
# Methods that the client extends by hand: their generated form has an underscore before its name.
EXTENDED = {"login", "signup", "refresh", "logout"}
# Schemas that nothing generated uses: what lies in sockets, and envelopes.
NOT_MODELS = {"TerminalControl", "TerminalCommand", "Failure"}
# Operations that answer only when something has ended: no time limit on their answer.
WAITING = {"run_exec"}

HEAD = '"""{doc}\n\nMade by generate.py from the OpenAPI document: change that, not this."""\n\n'


def snake(name: str) -> str:
    """`idleTtlSeconds` and `api-keys` as Python writes them; a reserved word gets an underscore behind it."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return f"{text}_" if keyword.iskeyword(text) else text


def pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def words(text: str, indent: int) -> str:
    """A doc comment, wrapped."""
    pad = " " * indent
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    wrapped = [
        textwrap.fill(part, 100, initial_indent=pad, subsequent_indent=pad, break_long_words=False)
        for part in paragraphs
    ]
    return "\n\n".join(wrapped).strip()


@dataclass
class Kind:
    """A type: its name in Python, and how a value of it is read from and written as JSON (`{}` is the value)."""

    name: str
    read: str = "{}"
    write: str = "{}"
    # As an argument, where more is taken than an answer holds.
    takes: str = ""
    # Of a type that may be None: the other.
    inner: Kind | None = None

    @property
    def argument(self) -> str:
        return self.takes or self.name


class Schemas:
    """Types of the document's schemas."""

    def __init__(self, schemas: Json) -> None:
        self.schemas = schemas

    def merged(self, schema: Json) -> Json:
        """A schema without references and `allOf`."""
        if "$ref" in schema:
            return self.merged(self.named(schema["$ref"]))
        if "allOf" not in schema:
            return schema
        whole: Json = {"type": "object", "properties": {}, "required": []}
        for part in [*map(self.merged, schema["allOf"]), {k: v for k, v in schema.items() if k != "allOf"}]:
            whole["properties"].update(part.get("properties", {}))
            whole["required"] += part.get("required", [])
        return whole | {"description": schema.get("description", "")}

    def named(self, reference: str) -> Json:
        found: Json = self.schemas[reference.rsplit("/", 1)[1]]
        return found

    def is_object(self, name: str) -> bool:
        schema = self.schemas[name]
        return "allOf" in schema or (schema.get("type") == "object" and "properties" in schema)

    def kind(self, schema: Json) -> Kind:  # noqa: PLR0911 a row for each kind of schema
        """The type of a schema, which must be one that this knows."""
        if "$ref" in schema:
            return self.of_name(schema["$ref"].rsplit("/", 1)[1])
        if "oneOf" in schema:
            return self.one_of(schema["oneOf"])
        types = schema.get("type")
        if isinstance(types, list):
            inner = [one for one in types if one != "null"]
            if len(inner) == 1 and len(types) == 2:
                return optional(self.kind(schema | {"type": inner[0]}))
        if schema.get("enum"):
            return Kind(f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]")
        if types == "array":
            item = self.kind(schema["items"])
            read = "list({})" if item.read == "{}" else f"[{item.read.format('item')} for item in {{}}]"
            write = "list({})" if item.write == "{}" else f"[{item.write.format('item')} for item in {{}}]"
            return Kind(f"list[{item.name}]", read, write, f"Sequence[{item.argument}]")
        if types == "object":
            values = schema.get("additionalProperties")
            if not values or values is True:
                return Kind("dict[str, Any]", takes="Mapping[str, Any]", write="dict({})")
            value = self.kind(values)
            whole = "{{k: {} for k, v in {{}}.items()}}"
            read = "dict({})" if value.read == "{}" else whole.format(value.read.format("v"))
            write = "dict({})" if value.write == "{}" else whole.format(value.write.format("v"))
            return Kind(f"dict[str, {value.name}]", read, write, f"Mapping[str, {value.argument}]")
        plain = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
        if types in plain:
            return Kind(plain[types])
        if types is None and not {"properties", "anyOf", "allOf"} & schema.keys():
            return Kind("Any")
        raise SystemExit(f"no type for {json.dumps(schema)}")

    def of_name(self, name: str) -> Kind:
        if self.is_object(name):
            return Kind(name, f"{name}.from_json({{}})", "to_json({})", f"{name} | Mapping[str, Any]")
        schema = self.schemas[name]
        if name == "ErrorCode":
            # Others may be added: an answer with one is still an answer.
            return Kind("str")
        if schema.get("enum"):
            return Kind(name)
        return self.kind(schema)

    def one_of(self, choices: list[Json]) -> Kind:
        rest = [choice for choice in choices if choice.get("type") != "null"]
        if len(rest) == 1:
            kind = self.kind(rest[0])
            return kind if len(rest) == len(choices) else optional(kind)
        kinds = [self.kind(choice) for choice in rest]
        name = " | ".join(kind.name for kind in kinds)
        takes = " | ".join(kind.argument for kind in kinds)
        lists = [kind for kind in kinds if kind.name.startswith("list[")]
        others = [kind for kind in kinds if not kind.name.startswith("list[")]
        if len(lists) == 1 and len(others) == 1:
            test = "isinstance({}, list)" if others[0].name != "str" else "not isinstance({}, str)"
            choose = "({0} if {1} else {2})"
            read = choose.format(lists[0].read, test, others[0].read)
            write = choose.format(lists[0].write, test, others[0].write)
            same_read = {lists[0].read, others[0].read} <= {"{}", "list({})"}
            return Kind(name, "{}" if same_read else read, write, takes)
        return Kind(name, takes=takes)


def optional(kind: Kind) -> Kind:
    """Or None."""
    read = kind.read if kind.read == "{}" else f"None if {{}} is None else {kind.read}"
    write = kind.write if kind.write == "{}" else f"None if {{}} is None else {kind.write}"
    return Kind(f"{kind.name} | None", read, write, f"{kind.argument} | None", kind)


def put(template: str, value: str) -> str:
    """A template of a Kind with its value, which it may name several times."""
    return template.replace("{}", value)


# --- models ---


def model(schemas: Schemas, name: str) -> str:
    schema = schemas.merged(schemas.schemas[name])
    required = set(schema.get("required", []))
    fields = sorted(schema["properties"].items(), key=lambda item: item[0] not in required)
    lines = [
        "@dataclass(frozen=True, slots=True)",
        f"class {name}:",
        f'    """{words(schema["description"], 4)}"""',
        "",
    ]
    reads, writes = [], []
    for key, value in fields:
        kind = schemas.kind(value)
        always = key in required
        type_ = kind.name if always or kind.name.endswith("| None") or kind.name == "Any" else f"{kind.name} | None"
        text = value.get("description") or next((o.get("description") for o in value.get("oneOf", [])), "") or ""
        lines.append(f"    {snake(key)}: {type_}" + ("" if always else " = None"))
        if text:
            lines.append(f'    """{words(text, 4)}"""')
        source = f"data[{key!r}]" if always else f"data.get({key!r})"
        read = put(kind.read, source)
        inner = kind.inner or (None if always else kind)
        if inner and inner.read != "{}":
            read = f"None if (value := {source}) is None else {put(inner.read, 'value')}"
        reads.append(f"            {snake(key)}={read},")
        writes.append(
            f"            {key!r}: {put(kind.write, 'self.' + snake(key)) if always else self_write(kind, key)},"
        )
    lines += ["", "    @classmethod", f"    def from_json(cls, data: Mapping[str, Any]) -> {name}:"]
    lines += ['        """From an answer."""', "        return cls(", *reads, "        )"]
    if name in input_models(schemas):
        lines += ["", "    def to_json(self) -> dict[str, Any]:", '        """As a request writes it."""']
        lines += ["        data = {", *writes, "        }"]
        lines += ["        return {key: value for key, value in data.items() if value is not None}"]
    return "\n".join(lines)


def self_write(kind: Kind, key: str) -> str:
    value = f"self.{snake(key)}"
    if kind.write == "{}":
        return value
    return (
        put(kind.write, value)
        if kind.name.endswith("| None")
        else f"None if {value} is None else {put(kind.write, value)}"
    )


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rsplit("/", 1)[1]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def input_models(schemas: Schemas) -> set[str]:
    """Objects that lie in bodies of requests, which themselves are arguments of methods."""
    found: set[str] = set()
    waiting = [name for body in BODIES for name in references(schemas.schemas[body])]
    while waiting:
        name = waiting.pop()
        if name not in found and schemas.is_object(name):
            found.add(name)
            waiting += references(schemas.schemas[name])
    return found


BODIES: set[str] = set()


# --- operations ---


@dataclass
class Argument:
    """One argument of a method."""

    key: str
    kind: Kind
    required: bool
    text: str

    @property
    def name(self) -> str:
        return snake(self.key)

    @property
    def type(self) -> str:
        """Its annotation: None stands for what is absent."""
        name = self.kind.argument
        return name if self.required or name.endswith("| None") or name == "Any" else f"{name} | None"

    def written(self) -> str:
        """Its value as JSON."""
        if self.required or self.kind.write == "{}" or self.kind.name.endswith("| None"):
            return put(self.kind.write, self.name)
        return f"None if {self.name} is None else {put(self.kind.write, self.name)}"


@dataclass
class Operation:
    """One operation of the document, as a method."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    places: list[Argument] = field(default_factory=list)
    query: list[Argument] = field(default_factory=list)
    body: list[Argument] = field(default_factory=list)
    has_body: bool = False
    answer: Kind = field(default_factory=lambda: Kind("None"))
    shape: str = "data"
    is_create: bool = False

    @property
    def name(self) -> str:
        return NAMES.get(self.id, self.id)

    @property
    def arguments(self) -> list[Argument]:
        return self.places + self.body + self.query

    def signature(self, arguments: list[Argument]) -> str:
        """The arguments as a definition writes them: what must be given by place or name, the rest by name."""
        given = [f"{a.name}: {a.type}" for a in arguments if a.required]
        rest = [f"{a.name}: {a.type} = None" for a in arguments if not a.required]
        return ", ".join([*given, *(["*", *rest] if rest else [])])


def place_name(path: str, key: str) -> str:
    """`{id}` behind `/sandboxes` is the id of a sandbox."""
    if key != "id":
        return key
    before = path.split("{id}", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[1]
    singular = "sandbox" if before == "sandboxes" else before.removesuffix("s")
    return f"{singular}_id"


def read_operation(schemas: Schemas, path: str, method: str, operation: Json) -> Operation:
    text = operation.get("description", "")
    result = Operation(operation["operationId"], method.upper(), path, operation.get("summary", ""), text)
    for parameter in operation.get("parameters", []):
        kind = schemas.kind(parameter["schema"])
        argument = Argument(parameter["name"], kind, parameter.get("required", False), parameter.get("description", ""))
        if parameter["in"] == "path":
            argument.key = place_name(path, parameter["name"])
            result.path = result.path.replace(f"{{{parameter['name']}}}", f"{{{argument.name}}}")
            result.places.append(argument)
        elif parameter["in"] == "query":
            result.query.append(argument)
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        schema = schemas.merged(body["application/json"]["schema"])
        result.has_body = True
        for key, value in schema["properties"].items():
            about = value.get("description") or next((o.get("description") for o in value.get("oneOf", [])), "") or ""
            result.body.append(Argument(key, schemas.kind(value), key in schema.get("required", []), about))
    read_answer(schemas, result, operation["responses"])
    # Such a one may be sent again after its answer was lost.
    headers = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"]
    result.is_create = "Idempotency-Key" in headers
    return result


def read_answer(schemas: Schemas, result: Operation, responses: Json) -> None:
    good = {status: answer for status, answer in responses.items() if status.startswith("2")}
    kinds = []
    for answer in good.values():
        if "application/json" not in answer.get("content", {}):
            raise SystemExit(f"{result.id} does not answer with JSON: write it by hand, and name it in BY_HAND")
        schema = answer["content"]["application/json"]["schema"]
        if "$ref" in schema or "success" not in schema.get("properties", {}):
            result.shape = "bare"
            kinds.append(schemas.kind(schema))
        elif "nextCursor" in schema["properties"] and any(one.key == "cursor" for one in result.query):
            result.shape = "list"
            kinds.append(schemas.kind(schema["properties"]["data"]["items"]))
        else:
            kinds.append(schemas.kind(schema["properties"]["data"]))
    if not kinds or any(kind.name != kinds[0].name for kind in kinds):
        raise SystemExit(f"{result.id} must answer one type: write it by hand, and name it in BY_HAND")
    result.answer = kinds[0]


def docs(operation: Operation, arguments: list[Argument], indent: int, summary: str = "") -> str:
    pad = " " * indent
    text = f'{pad}"""{words(summary or operation.summary, indent)}'
    if operation.text:
        text += f"\n\n{pad}{words(operation.text, indent)}"
    told = [argument for argument in arguments if argument.text]
    if told:
        text += f"\n\n{pad}Args:"
        for argument in told:
            text += f"\n{pad}    {argument.name}: " + words(argument.text, indent + 8).strip()
        text += f"\n{pad}"
    return text + '"""'


def builder(operation: Operation) -> str:
    """The function that makes a request of the arguments."""
    shape = {"data": "{}", "bare": "{}", "list": "Page[{}]"}[operation.shape].format(operation.answer.name)
    path = re.sub(r"\{(\w+)\}", lambda m: f"{{place({m.group(1)})}}", operation.path)
    lines = [f"def {operation.id}({operation.signature(operation.arguments)}) -> Request[{shape}]:"]
    lines += [f'    """`{operation.method} {operation.path}`"""', "    return Request("]
    lines += [f"        {operation.method!r},", f"        {'f' if '{' in path else ''}{path!r},"]
    plain = operation.answer.read == f"{operation.answer.name}.from_json({{}})"
    read = operation.answer.read[: -len("({})")] if plain else f"lambda data: {put(operation.answer.read, 'data')}"
    envelope = {"list": "page", "data": "enveloped", "bare": ""}[operation.shape]
    lines += [f"        lambda answer: {envelope}(answer, {read})," if envelope else f"        {read},"]
    if operation.query:
        pairs = ", ".join(f"{a.key!r}: {a.name}" for a in operation.query)
        lines += [f"        query={{{pairs}}},"]
    if operation.has_body:
        pairs = ", ".join(f"{a.key!r}: {a.written()}" for a in operation.body)
        lines += [f"        json=present({{{pairs}}}),"]
    if operation.is_create:
        lines += ["        is_create=True,"]
    if operation.id in WAITING:
        lines += ["        waits=True,"]
    return "\n".join([*lines, "    )"])


def call(arguments: list[Argument], skip: tuple[str, ...] = ()) -> str:
    given = [a.name for a in arguments if a.required and a.name not in skip]
    return ", ".join(given + [f"{a.name}={a.name}" for a in arguments if not a.required and a.name not in skip])


def union_of_list(kind: Kind) -> str:
    """`X` of `X | list[X]`, else nothing."""
    match = re.fullmatch(r"(\w+) \| list\[(\w+)\]", kind.name)
    return match.group(1) if match and match.group(1) == match.group(2) else ""


def methods(operation: Operation) -> Iterator[str]:
    """The methods of one operation: usually one."""
    name = f"_{operation.name}" if operation.name in EXTENDED else operation.name
    one = union_of_list(operation.answer)
    if operation.shape == "list":
        arguments = [a for a in operation.arguments if a.key != "cursor"]
        item = operation.answer.name
        iterate = re.sub("^list_", "iterate_", name)
        yield (
            f"    async def {iterate}(self, {operation.signature(arguments)}) -> AsyncIterator[{item}]:\n"
            + docs(operation, arguments, 8, operation.summary.rstrip(".") + ", page by page.")
            + f"\n        cursor: str | None = None\n        while True:\n            page = await self._send(requests.{operation.id}"
            f"({call(arguments)}{', ' if arguments else ''}cursor=cursor))\n            for item in page.items:\n"
            "                yield item\n            cursor = page.next_cursor\n            if cursor is None:\n"
            "                return\n"
        )
        yield (
            f"    async def {name}(self, {operation.signature(arguments)}) -> list[{item}]:\n"
            + docs(operation, arguments, 8, operation.summary.rstrip(".") + ": all pages.")
            + f"\n        return [item async for item in self.{iterate}({call(arguments)})]\n"
        )
    elif one and any(a.key == "count" for a in operation.body):
        arguments = [a for a in operation.arguments if a.key != "count"]
        yield (
            f"    async def {name}(self, {operation.signature(arguments)}) -> {one}:\n"
            + docs(operation, arguments, 8)
            + f"\n        made = await self._send(requests.{operation.id}({call(arguments)}))\n"
            "        if isinstance(made, list):\n"
            '            raise ProtocolError("one was asked for, and a list came")\n        return made\n'
        )
        count = next(a for a in operation.body if a.key == "count")
        counted = Argument("count", Kind("int"), True, count.text)
        plural = re.sub("sandbox$", "sandboxes", name)
        yield (
            f"    async def {plural}(self, {operation.signature([*operation.places, counted, *arguments[len(operation.places) :]])})"
            f" -> list[{one}]:\n"
            + docs(operation, [counted, *arguments], 8, operation.summary.rstrip(".") + ": several at once.")
            + f"\n        made = await self._send(requests.{operation.id}({call(arguments)}, count=count))\n"
            "        if not isinstance(made, list):\n"
            '            raise ProtocolError("a list was asked for, and one came")\n        return made\n'
        )
    else:
        separator = ", " if operation.arguments else ""
        yield (
            f"    async def {name}(self{separator}{operation.signature(operation.arguments)}) -> {operation.answer.name}:\n"
            + docs(operation, operation.arguments, 8)
            + f"\n        return await self._send(requests.{operation.id}({call(operation.arguments)}))\n"
        )


def at_sandbox(operation: Operation) -> str:
    """The same on a sandbox that is at hand."""
    arguments = [a for a in operation.arguments if a.name != "sandbox_id"]
    if operation.shape == "list":
        arguments = [a for a in arguments if a.key != "cursor"]
    if union_of_list(operation.answer):
        arguments = [a for a in arguments if a.key != "count"]
    name = NAMES_AT_SANDBOX.get(operation.name, operation.name)
    answer = union_of_list(operation.answer) or operation.answer.name
    answer = f"list[{answer}]" if operation.shape == "list" else answer
    given = call(arguments)
    separator = ", " if arguments else ""
    return (
        f"    async def {name}(self{separator}{operation.signature(arguments)}) -> {answer}:\n"
        f'        """{words(operation.summary, 8)} See `{operation.name}` of the client."""\n'
        f"        return await self._client.{operation.name}(self.id{separator}{given})\n"
    )


# --- files ---


def used(names: list[str], text: str) -> str:
    return ", ".join(sorted(name for name in names if re.search(rf"\b{name}\b", text)))


def model_names(schemas: Schemas, bodies: set[str]) -> list[str]:
    """What answers hold is a model, whether or not a request takes the same."""
    held = {ref for name, schema in schemas.schemas.items() if name not in bodies for ref in references(schema)}
    return [name for name in schemas.schemas if name not in NOT_MODELS | (bodies - held) | {"ErrorCode"}]


def generate() -> dict[Path, str]:
    document = json.loads(DOCUMENT.read_text())
    schemas = Schemas(document["components"]["schemas"])
    operations = []
    bodies: set[str] = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["operationId"] in BY_HAND:
                continue
            operations.append(read_operation(schemas, path, method, operation))
            bodies.update(references(operation.get("requestBody", {})))
    BODIES.update(bodies)
    names = model_names(schemas, bodies)
    objects = [name for name in names if schemas.is_object(name)]
    enums = [name for name in names if schemas.schemas[name].get("enum")]

    models = HEAD.format(doc="What requests and answers hold.")
    models += (
        "from __future__ import annotations\n\nfrom collections.abc import Mapping\nfrom dataclasses import dataclass\n"
    )
    models += "from typing import Any, Literal\n\n"
    if any(
        "to_json({})" in schemas.kind(v).write
        for n in input_models(schemas)
        for v in schemas.merged(schemas.schemas[n])["properties"].values()
    ):
        models += "from ._request import to_json\n\n"
    for name in enums:
        models += f"{name} = {schemas.kind({'type': 'string', 'enum': schemas.schemas[name]['enum']}).name}\n"
        models += f'"""{words(schemas.schemas[name]["description"], 0)}"""\n\n'
    models += "\n\n".join(model(schemas, name) for name in objects) + "\n"

    body = "\n\n".join(map(builder, operations)) + "\n"
    requests = HEAD.format(doc="A function for every operation, which makes its request.")
    requests += "from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n"
    requests += "from typing import Any, Literal\n\n"
    requests += f"from ._models import {used(objects + enums, body)}\n"
    requests += "from ._request import Page, Request, enveloped, page, place, present, to_json\n\n" + body

    body = "\n".join(text for operation in operations for text in methods(operation))
    client = HEAD.format(doc="A method for every operation.")
    client += "from __future__ import annotations\n\nfrom collections.abc import AsyncIterator, Mapping, Sequence\n"
    client += "from typing import Any, Literal, TypeVar\n\nfrom .. import _requests as requests\n"
    client += f"from .._models import {used(objects + enums, body)}\nfrom .._request import Request\n"
    client += "from ..errors import ProtocolError\n\n"
    client += 'T = TypeVar("T")\n\n\nclass AsyncOperations:\n    """The operations of the API."""\n\n'
    client += "    async def _send(self, request: Request[T]) -> T:\n        raise NotImplementedError\n\n" + body

    here = [operation for operation in operations if operation.path.startswith("/sandboxes/{sandbox_id}")]
    body = "\n".join(map(at_sandbox, here))
    at_hand = HEAD.format(doc="The operations on one sandbox.")
    at_hand += "from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n"
    at_hand += "from typing import Any, Literal\n\n"
    at_hand += f"from .._models import {used(objects + enums, body)}\nfrom ._operations import AsyncOperations\n\n\n"
    at_hand += 'class AsyncSandboxOperations:\n    """The operations of the API on one sandbox."""\n\n'
    at_hand += "    def __init__(self, client: AsyncOperations, sandbox_id: str) -> None:\n"
    at_hand += "        self._client = client\n        self.id = sandbox_id\n\n" + body

    codes = schemas.schemas["ErrorCode"]["enum"]
    errors = HEAD.format(doc="An exception for every error code; docs/errors.md says what each means.")
    errors += "from __future__ import annotations\n\nfrom ._failure import ApiError\n\n"
    errors += "\n\n".join(f'class {pascal(code)}(ApiError):\n    """`{code}`"""' for code in codes)
    errors += f"\n\n__all__ = {sorted(map(pascal, codes))!r}\n"
    errors += "\nBY_CODE: dict[str, type[ApiError]] = {\n"
    errors += "\n".join(f"    {code!r}: {pascal(code)}," for code in codes) + "\n}\n"

    return {
        PACKAGE / "_models.py": models,
        PACKAGE / "_requests.py": requests,
        PACKAGE / "_codes.py": errors,
        PACKAGE / "_async" / "_operations.py": client,
        PACKAGE / "_async" / "_at_sandbox.py": at_hand,
    }


# --- the synchronous twin ---

# Words of asynchronous code, and what they are without it; in this order.
WORDS = [
    (r"\basync def\b", "def"),
    (r"\basync with\b", "with"),
    (r"\basync for\b", "for"),
    (r"\bawait ", ""),
    (r"\bAsyncExitStack\b", "ExitStack"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\basyncio\.Lock\b", "threading.Lock"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio$", "import threading\nimport time"),
    (r"\bwebsockets\.asyncio\b", "websockets.sync"),
    (r"\ba(close|read|iter_bytes|iter)\(", r"\1("),
    (r"\basynchronous\b", "synchronous"),
    (r"_async\b", "_sync"),
]


def without_async(text: str) -> str:
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def formatted(text: str, path: Path) -> str:
    """As ruff would write it, imports that are not used left out."""
    name = str(path.relative_to(HERE))
    check = ["ruff", "check", "--quiet", "--fix-only", "--select", "F401,I", "--stdin-filename", name, "-"]
    for command in (check, ["ruff", "format", "--quiet", "--stdin-filename", name, "-"]):
        done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=HERE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{name}: {done.stderr}")
        text = done.stdout
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the committed files are up to date")
    check: bool = parser.parse_args().check
    files = {path: formatted(text, path) for path, text in generate().items()}
    folder = PACKAGE / "_async"
    for path in sorted({*folder.glob("*.py"), *(path for path in files if path.parent == folder)}):
        text = files.get(path) or path.read_text()
        twin = PACKAGE / "_sync" / path.name
        files[twin] = formatted(without_async(text), twin)
    old = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in old:
            print(f"{path.relative_to(HERE)} is old: run `make sdk`", file=sys.stderr)
        return 1 if old else 0
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
