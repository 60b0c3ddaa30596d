"""From results to a table (text and markdown), a JSON file and a plot (SVG, written here: nothing to install)."""
import html
import json
import os
import statistics

NOTE_MAX = 100


def spread(values):
    v = sorted(values)
    return {"min": v[0], "p10": v[len(v) // 10], "median": statistics.median(v), "p90": v[-1 - len(v) // 10],
            "mean": statistics.fmean(v)}


def timed_result(row, name, samples):
    return {"row": row.name, "title": row.title, "peer": name, "ours": row.ours, "unit": "ns",
            "rounds": len(samples), "wall": spread([s[0] for s in samples]), "cpu": spread([s[1] for s in samples])}


def main_value(r):
    """The figure that stands for a result, or None."""
    return None if "missing" in r else r["wall"]["median"] if "wall" in r else r["value"]


def ours(results, r):
    """Corten's result of the same row, or None."""
    for o in results:
        if o["row"] == r["row"] and o["peer"] == r["ours"] and "missing" not in o:
            return o
    return None


def ratio(a, b):
    return f"{a / b:.2f}" if a is not None and b else "-"


def ms(ns):
    return f"{ns / 1e6:.2f}"


COLUMNS = ("row", "peer", "rounds", "median", "p10", "p90", "CPU", "to Corten", "CPU to Corten", "note")


def table_row(results, r):
    o = ours(results, r)
    if "missing" in r:
        return (r["row"], r["peer"], "-", "-", "-", "-", "-", "-", "-", r["missing"][:NOTE_MAX])
    to_ours = ratio(main_value(r), o and main_value(o))
    if "wall" in r:
        w = r["wall"]
        return (r["row"], r["peer"], r["rounds"], ms(w["median"]) + " ms", ms(w["p10"]), ms(w["p90"]),
                ms(r["cpu"]["median"]) + " ms", to_ours, ratio(r["cpu"]["median"], o and o["cpu"]["median"]), "")
    if r["unit"] == "kB":
        note = r.get("note") or f"PSS of its helper per container; daemons {r['daemons_pss']} kB"
        return (r["row"], r["peer"], r["count"], f"{r['value']:.0f} kB", "", "", "", to_ours, "", note)
    note = " + ".join(r["programs"])
    return (r["row"], r["peer"], "", f"{r['value'] / 1e6:.2f} MB", "", "", "", to_ours, "", note)


def text_table(results):
    lines = [COLUMNS] + [tuple(map(str, table_row(results, r))) for r in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    out = []
    last = None
    for line in lines:
        if last not in (None, line[0]):
            out.append("")
        last = line[0]
        cells = [c.ljust(w) if i in (0, 1, 9) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out) + "\n"


def markdown(about, results):
    head = [f"Measured {about['date']}, Linux {about['kernel']}, {about['processors']} processors, load "
            f"{about['load_before'][0]:.2f}; processor time by {about['cpu_clock']}.",
            "", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    body = ["| " + " | ".join(str(c).replace("|", "\\|") for c in table_row(results, r)) + " |" for r in results]
    tail = ["", "Versions: " + "; ".join(f"{k}: {v}" for k, v in about["versions"].items()) + "."]
    return "\n".join(head + body + tail) + "\n"


# ---- the plot: one panel a row, a bar a peer ----

WIDTH, LABEL, BAR, GAP, HEAD, RIGHT = 860, 130, 18, 6, 34, 210
COLOUR = {"corten": "#c8102e", "corten-runtime": "#c8102e", "floor": "#9aa0a6"}
OTHERS = "#4a78a8"


def figure_text(r):
    if "wall" in r:
        return f"{ms(r['wall']['median'])} ms, CPU {ms(r['cpu']['median'])}"
    return f"{r['value']:.0f} kB" if r["unit"] == "kB" else f"{r['value'] / 1e6:.1f} MB"


def panel(name, results, top):
    scale = max([r["wall"]["p90"] if "wall" in r else r["value"] for r in results]) or 1
    room = WIDTH - LABEL - RIGHT
    out = [f'<text x="10" y="{top + 20}" font-weight="bold">{html.escape(name)}</text>']
    y = top + HEAD
    for r in results:
        colour = COLOUR.get(r["peer"], OTHERS)
        mid = y + BAR / 2
        w = main_value(r) / scale * room
        out.append(f'<text x="{LABEL - 8}" y="{mid + 4}" text-anchor="end">{html.escape(r["peer"])}</text>')
        out.append(f'<rect x="{LABEL}" y="{y}" width="{w:.1f}" height="{BAR}" fill="{colour}" fill-opacity="0.75"/>')
        end = w
        if "wall" in r:
            lo, hi = (LABEL + r["wall"][k] / scale * room for k in ("p10", "p90"))
            end = max(w, hi - LABEL)
            out.append(f'<path d="M{lo:.1f} {mid}H{hi:.1f}" stroke="#222" stroke-width="1.5"/>')
        out.append(f'<text x="{LABEL + end + 8:.1f}" y="{mid + 4}">{figure_text(r)}</text>')
        y += BAR + GAP
    return out, y + 6


def svg(about, results):
    groups = {}
    for r in results:
        if "missing" not in r:
            groups.setdefault(r.get("title") or r["row"], []).append(r)
    body, y = [], 34
    for name, rs in groups.items():
        lines, y = panel(name, rs, y)
        body += lines
    title = f"Corten and its peers, {about['date']}: median (bar), 10th to 90th percentile (line); shorter is better"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" '
        'font-size="12" fill="#222">', f'<rect width="{WIDTH}" height="{y + 10}" fill="#fff"/>',
        f'<text x="10" y="22" font-size="14">{html.escape(title)}</text>', *body, "</svg>"]) + "\n"


def write_all(folder, about, results):
    os.makedirs(folder, exist_ok=True)
    table = text_table(results)
    for name, text in (("bench.json", json.dumps({"about": about, "results": results}, indent=1) + "\n"),
                       ("bench.txt", table), ("bench.md", markdown(about, results)),
                       ("bench.svg", svg(about, results))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    print(table)
    print(f"also in {folder}: bench.json, bench.md, bench.svg")
