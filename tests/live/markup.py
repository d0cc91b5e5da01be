"""HTML as a tree of elements, and its text as it is read."""

from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

VOID = ("br", "hr", "img", "input")  # have no end


class _Tree(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self._builder = TreeBuilder()
        self._builder.start("html", {})
        self.feed(html)
        self._builder.end("html")
        self.root = self._builder.close()

    def handle_starttag(self, tag, attributes):
        self._builder.start(tag, {name: value or "" for name, value in attributes})
        if tag in VOID:
            self._builder.end(tag)

    def handle_startendtag(self, tag, attributes):
        self._builder.start(tag, {name: value or "" for name, value in attributes})
        self._builder.end(tag)

    def handle_endtag(self, tag):
        self._builder.end(tag)

    def handle_data(self, data):
        self._builder.data(data)


def read(html: str) -> Element:
    """The tree of a piece of HTML; its root is named html."""
    return _Tree(html).root


def tags(html: str) -> list[str]:
    """The names of all elements, in their order."""
    return [element.tag for element in read(html).iter()][1:]


def styled(html: str, name: str) -> list[Element]:
    """The elements with this style class."""
    return [element for element in read(html).iter() if name in element.get("class", "").split()]


def text(html: str | Element) -> str:
    """What is read, without what lies behind a click."""
    root = read(html) if isinstance(html, str) else html
    said = root.text or ""
    for child in root:
        said += ("" if child.tag in ("details", "style") else text(child)) + (child.tail or "")
    return said
