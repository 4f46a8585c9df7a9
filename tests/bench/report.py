"""Rows of figures, their ratios to the peers, what they are to reach, and how they are shown."""
import statistics

from peers import OCIPROXY


class Aim:
    """text says it; met(row) gives True, False, or None where it cannot be told."""

    def __init__(self, text, met):
        self.text = text
        self.met = met


def ratio_aim(who, limit, least=True):
    """The median of the ratios to one peer."""
    def met(row):
        ratios = row.ratios(who)
        if not ratios:
            return None
        middle = statistics.median(ratios)
        return middle >= limit if least else middle <= limit
    return Aim("%s %g of %s" % ("at least" if least else "at most", limit, who), met)


def best_aim(limit):
    """At least that part of the best peer's median; at most its inverse where less is better."""
    def met(row):
        ours = row.median(OCIPROXY)
        peers = [row.median(who) for who in row.values if who not in (OCIPROXY, "direct")]
        if ours is None or not peers:
            return None
        return ours >= limit * max(peers) if row.more_is_better else ours * limit <= min(peers)
    return Aim("%s %g of the best peer" % ("at least", limit), met)


def value_aim(text, limit):
    """Every single figure of ours."""
    def met(row):
        ours = row.values.get(OCIPROXY)
        return all(value <= limit for value in ours) if ours else None
    return Aim(text, met)


def median_aim(text, limit):
    """Our median: for what a moment's load of the machine may throw off."""
    def met(row):
        ours = row.median(OCIPROXY)
        return None if ours is None else ours <= limit
    return Aim(text, met)


class Row:
    """One measured quantity: figures by server and round."""

    def __init__(self, number, title, unit, more_is_better, aims=(), scale=1.0):
        self.number, self.title, self.unit = number, title, unit
        self.more_is_better = more_is_better
        self.aims = list(aims)
        self.scale = scale
        self.values = {}

    def add(self, who, value):
        self.values.setdefault(who, []).append(value)

    def median(self, who):
        return statistics.median(self.values[who]) if self.values.get(who) else None

    def ratios(self, who):
        """Ours to theirs, round by round."""
        pairs = zip(self.values.get(OCIPROXY, []), self.values.get(who, []))
        return [ours / theirs for ours, theirs in pairs if theirs]

    def verdicts(self):
        words = {True: "met", False: "MISSED", None: "not measured"}
        return ["%s: %s" % (aim.text, words[aim.met(self)]) for aim in self.aims]

    def as_json(self):
        return {"measurement": self.number, "title": self.title, "unit": self.unit,
                "more_is_better": self.more_is_better, "values": self.values,
                "aims": [{"text": aim.text, "met": aim.met(self)} for aim in self.aims]}


def number(value):
    if value is None:
        return "-"
    return "%.0f" % value if abs(value) >= 1000 else "%.4g" % value


LINE = "%-50s %10s  %-16s %10s  %8s %8s %8s"


def print_row(row):
    ours = row.median(OCIPROXY)
    title = "%d %s, %s" % (row.number, row.title, row.unit)
    shown = number(ours and ours * row.scale)
    others = [who for who in row.values if who != OCIPROXY]
    for who in others or [""]:
        ratios = row.ratios(who)
        spread = [number(pick(ratios)) if ratios else "-"
                  for pick in (min, statistics.median, max)]
        theirs = row.median(who)
        print(LINE % (title, shown, who, number(theirs and theirs * row.scale), *spread))
        title = shown = ""
    for verdict in row.verdicts():
        print("    " + verdict)


def print_table(rows, skipped):
    print(LINE % ("", OCIPROXY, "peer", "peer", "ratio min", "median", "max"))
    for row in rows:
        print_row(row)
    for text in skipped:
        print("SKIPPED " + text)
