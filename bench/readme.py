"""bench/README.md's blocks that the programs write themselves, each between two markers."""
import pathlib
import re
import sys

PATH = pathlib.Path(__file__).resolve().parent / "README.md"


def markers(program):
    return f"<!-- what `bench/{program} --write` wrote -->", "<!-- its end -->"


def write(program, text, path=PATH):
    begin, end = markers(program)
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
    readme = path.read_text()
    if not block.search(readme):
        sys.exit(f"bench/{program}: {path} lacks its markers")
    path.write_text(block.sub(lambda _: f"{begin}\n\n{text}\n{end}", readme, count=1))
