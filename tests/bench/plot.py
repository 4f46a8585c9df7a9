"""The ratios as a picture: a line for each row, a mark for each peer, right of 1 is better."""
import math
import statistics
from xml.sax.saxutils import escape

COLOURS = {"nginx": "#1b7837", "varnish": "#2166ac", "docker-registry": "#b2182b",
           "direct": "#7f7f7f"}
LEFT, RIGHT, TOP, STEP = 430, 60, 96, 20
WIDTH = 1100
DECADES = (-2, 3)


def x_of(ratio):
    low, high = DECADES
    place = (min(max(math.log10(ratio), low), high) - low) / (high - low)
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def text(x, y, what, anchor="start", colour="#222", size=12):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s" font-size="%d">%s</text>' % (
        x, y, anchor, colour, size, escape(what))


def line(x1, y1, x2, y2, colour, width=1.0):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>' % (
        x1, y1, x2, y2, colour, width)


def advantages(row, who):
    """Ratios turned so that more is better for ociproxy."""
    ratios = [ratio for ratio in row.ratios(who) if ratio > 0]
    return ratios if row.more_is_better else [1 / ratio for ratio in ratios]


def marks(row, y):
    for who, colour in COLOURS.items():
        values = advantages(row, who)
        if not values:
            continue
        yield line(x_of(min(values)), y, x_of(max(values)), y, colour, 2)
        yield '<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s" fill-opacity="0.8"/>' % (
            x_of(statistics.median(values)), y, colour)


def verdict(row):
    met = [aim.met(row) for aim in row.aims]
    if not met or None in met:
        return ""
    return "met" if all(met) else "missed"


def axis(bottom):
    for decade in range(DECADES[0], DECADES[1] + 1):
        x = x_of(10.0 ** decade)
        yield line(x, TOP - 10, x, bottom, "#222" if decade == 0 else "#ddd")
        yield text(x, TOP - 16, "%g" % 10.0 ** decade, "middle")


def legend():
    x = LEFT
    for who, colour in COLOURS.items():
        yield '<circle cx="%d" cy="54" r="4.5" fill="%s"/>' % (x, colour)
        yield text(x + 9, 58, who)
        x += 140


def draw(rows, about):
    rows = [row for row in rows if any(advantages(row, who) for who in COLOURS)]
    bottom = TOP + STEP * len(rows)
    parts = [text(10, 20, "ociproxy compared: how many times better (right) or worse (left)",
                  size=15),
             text(10, 38, about, colour="#666", size=11)]
    parts += [*legend(), *axis(bottom)]
    for index, row in enumerate(rows):
        y = TOP + STEP * index + STEP / 2
        outcome = verdict(row)
        parts.append(text(10, y + 4, "%d %s, %s" % (row.number, row.title, row.unit)))
        parts.append(text(WIDTH - 2, y + 4, outcome, "end",
                          "#b2182b" if outcome == "missed" else "#1b7837", 10))
        parts += marks(row, y)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'font-family="sans-serif">\n<rect width="100%%" height="100%%" fill="white"/>\n%s\n'
            '</svg>\n' % (WIDTH, bottom + 12, "\n".join(parts)))
