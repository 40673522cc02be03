"""Curves as SVG, by nothing but the standard library. They are read on light and on dark pages."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 30, 46, 108  # what is around the plot: axis, title, caption
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #57606a }
.back { fill: #ffffff } .grid { stroke: #d0d7de; stroke-width: 1 } .line { fill: none; stroke-width: 2 } .dash { stroke-dasharray: 6 4 }
.c0 { stroke: #0969da } .c1 { stroke: #cf222e } .c2 { stroke: #1a7f37 } .d0 { fill: #0969da } .d1 { fill: #cf222e } .d2 { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .back { fill: #0d1117 } .grid { stroke: #3d444d }
.c0 { stroke: #4493f8 } .c1 { stroke: #f85149 } .c2 { stroke: #3fb950 } .d0 { fill: #4493f8 } .d1 { fill: #f85149 } .d2 { fill: #3fb950 } }
"""


def steps(low, high, count=6):
    """Round numbers from low to high, about so many."""
    raw = (high - low) / count or 1
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * by for by in (1, 2, 5, 10) if size * by >= raw)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low, high):
    return [10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


class Axis:
    """From a value to a place. The marks reach around all values."""

    def __init__(self, values, begin, end, is_log=False, from_zero=True):
        self.begin, self.end, self.is_log = begin, end, is_log
        if is_log:
            above = [value for value in values if value > 0] or [1.0]
            self.marks = decades(min(above), max(above) * 1.0001)
        else:
            low, high = (0 if from_zero else min(values)), max(values) or 1
            self.marks = steps(low, high)
            if self.marks[-1] < high:
                self.marks.append(self.marks[-1] + (self.marks[1] - self.marks[0] if len(self.marks) > 1 else high))
        self.low, self.high = self.marks[0], self.marks[-1] if self.marks[-1] > self.marks[0] else self.marks[0] * 10

    def at(self, value):
        by = (lambda v: math.log10(max(v, self.low))) if self.is_log else float
        return self.begin + (self.end - self.begin) * (by(value) - by(self.low)) / (by(self.high) - by(self.low))


def number(value):
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"


def chart(title, x_label, y_label, series, caption, is_log=False):
    """series: (name, colour 0 to 2, is dashed, [(x, y)]). The text of an SVG file."""
    x = Axis([p[0] for s in series for p in s[3]], LEFT, WIDTH - RIGHT)
    y = Axis([p[1] for s in series for p in s[3]], HEIGHT - BOTTOM, TOP, is_log)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
           f"<style>{STYLE}</style>", f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
           f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>']
    for mark in y.marks:
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(mark):.1f}" y2="{y.at(mark):.1f}"/>'
                   f'<text x="{LEFT - 8}" y="{y.at(mark) + 4:.1f}" text-anchor="end">{number(mark)}</text>')
    for mark in x.marks:
        out.append(f'<line class="grid" x1="{x.at(mark):.1f}" x2="{x.at(mark):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"/>'
                   f'<text x="{x.at(mark):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number(mark)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 40}" text-anchor="middle">{escape(x_label)}</text>'
               f'<text x="16" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle"'
               f' transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(y_label)}</text>')
    at = LEFT
    for name, colour, is_dashed, points in series:
        dash = " dash" if is_dashed else ""
        line = " ".join(f"{x.at(px):.1f},{y.at(py):.1f}" for px, py in points)
        out.append(f'<polyline class="line c{colour}{dash}" points="{line}"/>')
        out += [f'<circle class="d{colour}" cx="{x.at(px):.1f}" cy="{y.at(py):.1f}" r="3"><title>{escape(name)}: {px:,.0f}, {py:,.2f}'
                f"</title></circle>" for px, py in points]
        out.append(f'<line class="line c{colour}{dash}" x1="{at}" x2="{at + 26}" y1="{TOP - 12}" y2="{TOP - 12}"/>'
                   f'<text x="{at + 32}" y="{TOP - 8}">{escape(name)}</text>')
        at += 50 + 7.5 * len(name)
    for row, words in enumerate(caption):
        out.append(f'<text class="small" x="{LEFT}" y="{HEIGHT - BOTTOM + 62 + 15 * row}">{escape(words)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def latency(points, caption):
    rows = [("first token, p50", 0, False, "first_token_us", "p50"), ("first token, p99", 0, True, "first_token_us", "p99"),
            ("whole run, p50", 1, False, "whole_us", "p50"), ("whole run, p99", 1, True, "whole_us", "p99")]
    series = [(name, colour, dashed, [(p["rate"], p[key][share] / 1000) for p in points]) for name, colour, dashed, key, share in rows]
    return chart("Latency over load", "runs that become due per second, at random moments", "ms, from the moment a run was due", series,
                 caption, is_log=True)


def memory(points, caption):
    both = [(p["runs"], (p["gateway"] + p["executor"]) / 1024) for p in points]
    series = [("gateway + executor", 0, False, both)]
    series += [(name, colour, True, [(p["runs"], p[name] / 1024) for p in points]) for name, colour in (("gateway", 1), ("executor", 2))]
    return chart("Memory over open runs", "runs that wait for their model", "MiB resident", series, caption)


FILES = {"curve": ("bench-latency.svg", "Latency over load", latency, lambda raw: raw["curve"]),
         "open": ("bench-memory.svg", "Memory over open runs", memory, lambda raw: raw["open"]["points"])}


def draw(raw, about, folder):
    """Writes the curves of what was measured; (file name, title) of each."""
    caption = [about["runs"], f"{about['machine']}, {about['cores']} cores with model and generator on them, {about['build']}",
               f"commit {about['commit']}, {about['date']}, kernel {about['kernel']}"]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for part, (name, title, picture, points_of) in FILES.items():
        if part in raw:
            (folder / name).write_text(picture(points_of(raw), caption))
            drawn.append((name, title))
    return drawn
