"""What the source checks share: C text without comments and strings, its functions, the exceptions list."""
import os
import re

# CORTEN_TOP: another tree, for the tests of the checks themselves.
TOP = os.environ.get("CORTEN_TOP") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIPPED_FOLDERS = {"build", ".git", "corpus", "__pycache__"}
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")
NOT_A_NAME = {"__attribute__", "if", "for", "while", "switch"}


def source_files(*extensions, below=("src", "bin", "tests", "bench", "fuzz", "tools")):
    """Paths from the top of the tree, sorted."""
    found = []
    for folder in below:
        for where, folders, names in os.walk(os.path.join(TOP, folder)):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(where, n), TOP)
                      for n in names if n.endswith(extensions)]
    return sorted(found)


def read(path):
    with open(os.path.join(TOP, path), errors="replace") as f:
        return f.read()


def stripped(text):
    """The text with comments and the insides of strings blank, line numbers kept."""
    def blank(match):
        s = match[0]
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return s[0] + " " * (len(s) - 2) + s[-1]
    return TOKEN.sub(blank, text)


def functions(text):
    """(name, first line, last line, complexity) of each function; `text` as stripped() gives it.
    A function's braces stand alone in the first column: clang-format sees to that."""
    lines = text.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line.startswith("}") and start is not None:
            first = start - 1
            while first > 0 and re.match(r"[ \t)]", lines[first]):
                first -= 1
            head = " ".join(lines[first:start])
            names = [n for n in re.findall(r"(\w+)\s*\(", head) if n not in NOT_A_NAME]
            if names[:1] == ["TEST"]:  # TEST(case_name)
                names = re.findall(r"TEST\((\w+)\)", head)
            body = "\n".join(lines[start:i])
            yield (names[0] if names else "?", first + 1, i + 1,
                   1 + len(BRANCH.findall(body)))
            start = None


class Exceptions:
    """tools/exceptions.txt: `KIND WHERE REASON...` a line. One that excuses nothing is an error too."""

    def __init__(self, kinds):
        self.rows, self.problems = {}, []
        for number, line in enumerate(read("tools/exceptions.txt").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split(None, 2)
            if len(parts) < 3:
                self.problems.append(f"tools/exceptions.txt:{number}: an exception needs a reason")
            elif parts[0] in kinds:
                self.rows[parts[0], parts[1]] = False

    def excuse(self, kind, where):
        if (kind, where) not in self.rows:
            return False
        self.rows[kind, where] = True
        return True

    def unused(self):
        return [f"tools/exceptions.txt: '{kind} {where}' excuses nothing"
                for (kind, where), used in self.rows.items() if not used]
