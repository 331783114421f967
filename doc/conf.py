"""Configuration of the book: python -m sphinx -W --keep-going -b html doc doc/_build/html

Needs no network, and no data but those that come with scikit-learn.
"""

import inspect
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "api"))  # chapters.py
os.environ.pop("SKLR_DATA", None)  # pictures are those of generated data, wherever the book is built

import chapters  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401 - sphinx-gallery looks its names up

import sklr  # noqa: E402

project = "sklr"
author = "The sklr developers"
copyright = author
release = version = sklr.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # the files of MathJax, which are otherwise fetched when a page is read
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]
default_role = "name"  # a word in single backticks, see `Name`
# Every reference has to lead somewhere; those to other projects are made by `elsewhere`.
nitpicky = True
smartquotes = False  # "auto" is a value, to be copied as it stands
nitpick_ignore = [
    # Attributes that scikit-learn's searches have as properties, and that have no page here.
    ("py:obj", "classes_"),
    ("py:obj", "n_features_in_"),
]

# -- HTML -------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"sklr {release}"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_favicon = "_static/favicon.svg"
html_sidebars = {"index": [], "benchmarks": [], "whats_new": []}
html_theme_options = {
    "logo": {"text": "sklr"},
    "header_links_before_dropdown": 8,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
# The prompts of a doctest and its results are not copied.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# -- reference --------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False  # _templates/autosummary/class.rst lists them
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"


def is_ours(obj):
    return (getattr(obj, "__module__", None) or "").partition(".")[0] == "sklr"


def members(cls):
    """Return the names of the public methods, the properties, and what comes from scikit-learn.

    Fields of a named tuple stand in the docstring of the class.
    """
    methods, properties, inherited = [], [], []
    for name in dir(cls):
        if name.startswith("_") or name in getattr(cls, "_fields", ()):
            continue
        owner = next(klass for klass in cls.__mro__ if name in vars(klass))
        raw = vars(owner)[name]
        obj = raw if isinstance(raw, property) else getattr(cls, name, raw)
        if not (isinstance(obj, property) or inspect.isroutine(obj)):
            continue
        if isinstance(obj, property):
            if is_ours(owner):
                properties.append(name)
        elif is_ours(owner) and is_ours(obj):
            methods.append(name)
        elif (getattr(obj, "__module__", None) or "").startswith("sklearn"):
            inherited.append(name)
    return {"methods": methods, "properties": properties, "inherited": inherited}


def public():
    """Yield ``(dotted name, object)`` of what the public packages list."""
    for package in sklr._SUBPACKAGES:
        module = getattr(sklr, package)
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)


# What the templates in _templates/autosummary know beside the names that autosummary gives them.
autosummary_context = {
    "chapters": {name: chapters.of(name) for name, _ in public()},
    "class_members": {name: members(obj) for name, obj in public() if inspect.isclass(obj)},
    "short_names": {name: f"sklr.{name.rpartition('.')[2]}" for name, _ in public()},
}

# -- gallery ----------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[\\/]plot_",
    "ignore_pattern": r"quickstart\.py|__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("sklr",),
    "backreferences_dir": "api/generated/backreferences",
    "capture_repr": (),  # what an example shows it prints
    "abort_on_example_error": False,  # all of them run, and the build fails in the end
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,  # pages that fetch scripts for their tables
}

# -- docstrings -------------------------------------------------------------------------------

# They are written to be read in a terminal: ``coef_`` is no reference and ``|x|`` no substitution, and what
# is indented is a formula.
PLAIN = re.compile(r"(``.+?``|:\w+:`.+?`|`.+?`_?)")


def escape_docstring(app, what, name, obj, options, lines):
    """Escape what would be taken for markup, outside of backticks, doctests and literal blocks."""
    in_doctest, literal = False, None
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            in_doctest = False
            continue
        if literal is not None and indent > literal:
            continue
        literal = None
        in_doctest = in_doctest or line.lstrip().startswith(">>>")
        if in_doctest:
            continue
        if line.endswith("::") and not line.lstrip().startswith(".. "):
            literal = indent
        parts = PLAIN.split(line)
        parts[::2] = [re.sub(r"\|", r"\|", re.sub(r"(?<=\w)_(?!\w)", r"\_", part)) for part in parts[::2]]
        # Words of scikit-learn's glossary, in the docstrings of its properties.
        parts[1::2] = [re.sub(r":term:(`.+?`)", r"`\1`", part) for part in parts[1::2]]
        lines[i] = "".join(parts)


def show_formulas(app, doctree):
    """Show indented paragraphs of docstrings as they are written: they are formulas."""
    for quote in [*doctree.findall(nodes.block_quote)]:
        if isinstance(quote.parent, addnodes.desc_content) and all(
            isinstance(child, nodes.paragraph) for child in quote
        ):
            text = "\n\n".join(re.sub(r"\\([|_])", r"\1", child.rawsource) for child in quote)
            quote.replace_self(nodes.literal_block(text, text, language="text"))


# -- references -------------------------------------------------------------------------------

# Pages of other projects, by what a dotted name begins with. There is no inventory, which would be fetched.
ELSEWHERE = [
    (r"sklearn(\.\w+)+", "https://scikit-learn.org/stable/modules/generated/{}.html"),
    (r"scipy(\.\w+)+", "https://docs.scipy.org/doc/scipy/reference/generated/{}.html"),
    (r"numpy(\.\w+)+", "https://numpy.org/doc/stable/reference/generated/{}.html"),
    (r"joblib\.\w+", "https://joblib.readthedocs.io/en/stable/generated/{}.html"),
    (r"pandas(\.\w+)+", "https://pandas.pydata.org/docs/reference/api/{}.html"),
]
DOTTED = re.compile(r"(sklr|sklearn|scipy|numpy)(\.\w+)+")


def elsewhere(app, env, node, contnode):
    """Make a link of a reference to another project, by the name alone."""
    target = node.get("reftarget", "")
    for pattern, url in ELSEWHERE:
        if node.get("refdomain") == "py" and re.fullmatch(pattern, target):
            return nodes.reference("", "", contnode, internal=False, refuri=url.format(target))
    return None


CLASSES = {name.rpartition(".")[2]: name for name, obj in public() if inspect.isclass(obj)}


class Name(SphinxRole):
    """A word in single backticks: a link where it is a dotted name, or that of a class of sklr."""

    def run(self):
        text = self.text.lstrip("~")
        target = CLASSES.get(text, text)
        if not DOTTED.fullmatch(target):
            return [nodes.literal(self.rawtext, text)], []
        literal = nodes.literal(self.rawtext, text, classes=["xref", "py"])
        reference = addnodes.pending_xref(
            self.rawtext,
            literal,
            refdomain="py",
            reftype="obj",
            reftarget=target,
            refexplicit=True,
            refwarn=False,
        )
        self.set_source_info(reference)
        return [reference], []


def setup(app):
    app.add_role("name", Name())
    app.connect("missing-reference", elsewhere)
    app.connect("autodoc-process-docstring", escape_docstring, priority=900)  # after numpydoc
    app.connect("doctree-read", show_formulas)
