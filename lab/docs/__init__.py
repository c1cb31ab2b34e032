"""The pages of the documentation: README and docs/, with their tables made from the code and from lab/measured.

A table stands between `<!-- name -->` and `<!-- /name -->` on any page. `python -m lab.docs` writes every table, the
drawings of the architecture, and docs/index.md, which is README for the site. Tests compare all three."""

from lab.docs.pages import DOCS, README, ROOT, TABLES, front_page, pages, placed, standing, tables_of, write, write_all

__all__ = [
    "DOCS",
    "README",
    "ROOT",
    "TABLES",
    "front_page",
    "pages",
    "placed",
    "standing",
    "tables_of",
    "write",
    "write_all",
]
