import pytest

from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.xml.reader import REQUIRED_TEXT, TEXT, Element, Node, read

SCHEMA = Element({"Name": REQUIRED_TEXT, "Note": TEXT, "Box": Element({"Item": Element(most=2)})})
XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


def parse(document: str | bytes) -> Node:
    return read(document.encode() if isinstance(document, str) else document, "Root", SCHEMA, bytes_max=200_000)


def refusal(document: str | bytes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        parse(document)
    return caught.value


def test_a_document_is_read() -> None:
    node = parse(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Root xmlns="{XMLNS}">\n  <!-- a note -->'
        "<Name> a &amp; b </Name><Box><Item>1</Item>\n<Item><![CDATA[<2>]]></Item></Box></Root>"
    )
    assert (node.get("Name"), node.raw("Name"), node.get("Note"), node.raw("Note")) == ("a & b", " a & b ", None, None)
    assert [item.text for item in node.all("Box")[0].all("Item")] == ["1", "<2>"]
    assert node.all("Note") == []


@pytest.mark.parametrize(
    "document",
    [
        "<Root><Name>a</Name></Root>",
        f'<s3:Root xmlns:s3="{XMLNS}"><s3:Name>a</s3:Name></s3:Root>',
        '<?xml version="1.0"?><Root><Name>a</Name></Root>',
        b"\xef\xbb\xbf<Root><Name>a</Name></Root>",
        '<Root xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="x"><Name>a</Name></Root>',
    ],
)
def test_spellings_of_the_same_document(document: str | bytes) -> None:
    assert parse(document).get("Name") == "a"


BOMB = '<!DOCTYPE Root [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><Root><Name>&b;</Name></Root>'


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "no element found"),
        ("not xml", "syntax error"),
        ("<Root><Name>a</Name>", "no element found"),
        ("<Root><Name>a</Root>", "mismatched tag"),
        ("<Root><Name>a</Name></Root><Root/>", "junk after document element"),
        ("<Other/>", "unexpected element Other"),
        ("<root><Name>a</Name></root>", "unexpected element root"),
        ("<Root/>", "Root without Name"),
        ("<Root><Name>a</Name><Name>b</Name></Root>", "too many elements Name"),
        ("<Root><Name>a</Name><name>b</name></Root>", "unexpected element name"),
        ("<Root><Name><Deep/></Name></Root>", "unexpected element Deep"),
        ("<Root><Name>a</Name><Box><Item/><Item/><Item/></Box></Root>", "too many elements Item"),
        ("<Root>text<Name>a</Name></Root>", "text inside Root"),
        ('<Root a="b"><Name>a</Name></Root>', "an attribute on Root"),
        ('<Root xmlns="http://other"><Name>a</Name></Root>', "unknown namespace http://other"),
        (f'<Root><Name xmlns="{XMLNS}">a</Name></Root>', "more than one namespace"),
        ('<!DOCTYPE Root SYSTEM "file:///etc/passwd"><Root><Name>a</Name></Root>', "a document type declaration"),
        (BOMB, "a document type declaration"),
        ("<Root><Name>&other;</Name></Root>", "undefined entity"),
        ('<?xml-stylesheet href="x"?><Root><Name>a</Name></Root>', "a processing instruction xml-stylesheet"),
        ('<?xml version="1.0" encoding="UTF-7"?><Root><Name>a</Name></Root>', "encoding UTF-7, not UTF-8"),
        ("<Root><Name>&#1;</Name></Root>", "reference to invalid character number"),
        (b"<Root><Name>\xff</Name></Root>", "not well-formed"),
        ("<Root><Name>a\0</Name></Root>", "not well-formed"),
        (f"<Root><Name>{'a' * 20_000}</Name></Root>", "too long a text in Name"),
        ("<Root>" + "<Box>" * 20_000, "too many elements Box|unexpected element Box"),
        ("<Root><Name>a</Name></Root>".encode("utf-16"), "encoding UTF-16"),
    ],
)
def test_what_is_not_the_document_is_malformed(document: str | bytes, why: str) -> None:
    error = refusal(document)
    assert error.code == "MalformedXML"
    assert any(reason in error.message for reason in why.split("|")), error.message


def test_the_size_is_looked_at_first() -> None:
    error = refusal(b"<" * 200_001)
    assert (error.code, error.detail) == ("MaxMessageLengthExceeded", {"MaxMessageLengthBytes": "200000"})
