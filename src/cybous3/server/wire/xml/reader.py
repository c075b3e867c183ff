"""Request documents from XML, strictly: a schema says what may stand where, and all else is MalformedXML.

There is no DTD, so no entity can be declared, expanded or fetched (attacks C1a); no processing instruction; no
encoding but UTF-8. Size, depth, number of elements and length of text are limited while parsing. Elements that the
schema does not know, or that come more often than it allows, are refused and not skipped (C1b): a misspelt condition
that is overlooked would delete what it was to protect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.markup import XMLNS

ANY_NUMBER: Final = 1 << 30

_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")  # the byte order marks, which expat believes before anything else
_SEPARATOR: Final = " "  # no namespace name of ours holds one
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance "
_TEXT_MAX: Final = 16 * 1024  # characters in one element; the longest real one is a key with every character escaped


@dataclass(frozen=True, slots=True)
class Element:
    """What one element may hold: the children named, or text when there are none.

    `most` is how often it may stand in its parent; more is MalformedXML, or `excess` if the schema names a code.
    """

    children: Mapping[str, "Element"] = field(default_factory=dict)
    most: int = 1
    required: bool = False


TEXT: Final = Element()
REQUIRED_TEXT: Final = Element(required=True)


@dataclass(slots=True)
class Node:
    """One element as read: its text, or its children by name."""

    text: str = ""
    children: dict[str, list["Node"]] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """Return the text of the child `name`, without surrounding white space; None if there is none."""
        found = self.children.get(name)
        return found[0].text.strip() if found else None

    def raw(self, name: str) -> str | None:
        """Return the text of the child `name` as it stands: in a key, white space counts."""
        found = self.children.get(name)
        return found[0].text if found else None

    def all(self, name: str) -> list["Node"]:
        """Return the children of one name, in order."""
        return self.children.get(name, [])


def malformed(why: str) -> S3Error:
    """Return a MalformedXML that says what was wrong; the sentence ends with S3's own."""
    return S3Error(
        "MalformedXML",
        f"The XML you provided was not well-formed or did not validate against our published schema: {why}",
    )


def read(document: bytes, root: str, schema: Element, *, bytes_max: int) -> Node:
    """Return the document as nodes. MalformedXML; MaxMessageLengthExceeded above `bytes_max`.

    The namespace is S3's or none, the same on every element.
    """
    if len(document) > bytes_max:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(bytes_max))
    if document.startswith(_UTF_16):
        raise malformed("encoding UTF-16, not UTF-8")
    return _Reader(root, schema).parse(document)


class _Reader:
    """One parse. `_open` holds an element's schema, its node and its name, outermost first."""

    def __init__(self, root: str, schema: Element) -> None:
        self._top = Element({root: Element(schema.children, required=True)})
        self._document = Node()
        self._open: list[tuple[Element, Node, str]] = [(self._top, self._document, "")]
        self._namespace = ""
        self._names: dict[str, str] = {}  # local names by qualified, of elements seen

    def parse(self, document: bytes) -> Node:
        # The encoding given here outranks a declared one; `_declaration` then refuses a declared other.
        parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        try:
            parser.Parse(document, True)  # noqa: FBT003 - expat's own signature
        except expat.ExpatError as error:
            raise malformed(expat.errors.messages[error.code]) from error
        (root,) = self._document.children.values()
        return root[0]

    def _start(self, qualified: str, attributes: Mapping[str, str]) -> None:
        name = self._names.get(qualified) or self._local(qualified)
        if attributes and any(not attribute.startswith(_XSI) for attribute in attributes):
            raise malformed(f"an attribute on {name}")
        schema, node, _ = self._open[-1]
        child = schema.children.get(name)
        if child is None:
            raise malformed(f"unexpected element {name}")
        siblings = node.children.setdefault(name, [])
        if len(siblings) >= child.most:
            raise malformed(f"too many elements {name}")
        made = Node()
        siblings.append(made)
        self._open.append((child, made, name))

    def _local(self, qualified: str) -> str:
        """Return the name without its namespace, which must be S3's or none, and that of the root."""
        namespace, _, name = qualified.rpartition(_SEPARATOR)
        if namespace not in {"", XMLNS}:
            raise malformed(f"unknown namespace {namespace}")
        if self._names and namespace != self._namespace:
            raise malformed("elements of more than one namespace")
        self._namespace = namespace
        self._names[qualified] = name
        return name

    def _end(self, _qualified: str) -> None:
        schema, node, name = self._open.pop()
        for child, allowed in schema.children.items():
            if allowed.required and child not in node.children:
                raise malformed(f"{name} without {child}")

    def _text(self, text: str) -> None:
        schema, node, name = self._open[-1]
        if schema.children:
            if text.strip():
                raise malformed(f"text inside {name}")
            return
        node.text += text
        if len(node.text) > _TEXT_MAX:
            raise malformed(f"too long a text in {name}")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise malformed(f"encoding {encoding}, not UTF-8")

    def _doctype(self, *_: object) -> None:
        raise malformed("a document type declaration")

    def _instruction(self, target: str, _data: str) -> None:
        raise malformed(f"a processing instruction {target}")
