"""What all displays share: axes, and colours that can be told apart without seeing red or green."""

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6E6E6E"
COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")


def axes(ax, display):
    """The given axes, or new ones."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{display}.plot needs matplotlib: pip install matplotlib, or sklr[plot]."
        ) from error
    return plt.subplots(layout="constrained")[1]


def line_style(given, **defaults):
    """Properties of a line: those that are given, by any of their names ("c" for "color"), and defaults."""
    from matplotlib import cbook, lines

    return defaults | cbook.normalize_kwargs(given, lines.Line2D)


def colors_of(n_lines):
    """As many colours: of different hues as far as these go, then from dark to light."""
    if n_lines <= len(COLORS):
        return COLORS[:n_lines]
    from matplotlib import colormaps

    return colormaps["cividis"]([0.9 * at / (n_lines - 1) for at in range(n_lines)])


def whole_numbers(axis):
    """Ticks of counts: no halves."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))
