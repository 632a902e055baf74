"""Runs every block of the recipes on a warehouse, as it is printed; each must give rows.

Usage: recipes.py FOLDER WAREHOUSE

The README's Python comes first and opens `connection`; `sql` of all pages is asked of it, other
Python leaves its answer in `result`.
"""

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """(line, language, text) of each block of a page."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[1], found[2]


def rows(result):
    return len(result) if result is not None else 0


def main(folder, warehouse):
    pages = sorted(folder.glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
    names = {"warehouse": warehouse}
    ran, wrong = 0, []
    for page in pages:
        found = list(blocks(page))
        if not found:
            wrong.append(f"{page}: no block to run")
        for line, language, text in found:
            ran += 1
            try:
                if language == "python":
                    names["result"] = None
                    exec(compile(text, f"{page}:{line}", "exec"), names)  # the page's own code
                    result = names["result"]
                else:
                    result = names["connection"].sql(text)
                if not rows(result):
                    wrong.append(f"{page}:{line}: no rows")
            except Exception as error:
                wrong.append(f"{page}:{line}: {type(error).__name__}: {error}")
    linked = (folder / "README.md").read_text()
    wrong += [f"{page}: not linked from the README" for page in pages if page.name != "README.md" and f"({page.name})" not in linked]
    for line in wrong:
        print(line)
    print(f"{len(pages)} pages, {ran} blocks, {len(wrong)} problems")
    return bool(wrong) or not ran


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
