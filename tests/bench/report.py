"""What was measured, in words: a table for people, or Markdown."""

MARKS = {True: "reached", False: "MISSED"}


def shown(value, unit):
    if isinstance(value, int) or value == int(value):
        text = f"{int(value):,}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def target_of(row):
    return f"{'at least' if row['sign'] == '>=' else 'at most'} {shown(row['target'], row['unit'])}"


def heading(title, others):
    return title + (f" (other things on this machine: {others:.2f} cores)" if others >= 0.1 else "")


def sections(titles, rows, others):
    """(heading, rows) of each part that has some."""
    for part, title in titles.items():
        of_part = [row for row in rows if row["part"] == part]
        if of_part:
            yield heading(title, others.get(part, 0)), of_part


def print_table(about, figures, titles, rows, others):
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    if figures:
        print("\nWhat has to be reached")
    for row in figures:
        print(f"  {row['name']:<62} {shown(row['value'], row['unit']):>14}  {target_of(row):<18} {MARKS[row['met']]:<8}"
              f" {row['beside']}".rstrip())
    for title, of_part in sections(titles, rows, others):
        print(f"\n{title}")
        for row in of_part:
            print(f"  {row['name']:<62} {shown(row['value'], row['unit']):>14}  {row['beside'] or ''}".rstrip())


def print_markdown(about, figures, titles, rows, others, curves):
    print(", ".join(f"{name} {value}" for name, value in about.items()) + ".")
    if figures:
        print("\n| figure | value | has to be | | beside |\n|---|---:|---|---|---|")
    for row in figures:
        print(f"| {row['name']} | {shown(row['value'], row['unit'])} | {target_of(row)} | {MARKS[row['met']]} | {row['beside']} |")
    for name, title in curves:
        print(f"\n![{title}]({name})")
    for title, of_part in sections(titles, rows, others):
        print(f"\n### {title}\n\n| | | beside |\n|---|---:|---|")
        for row in of_part:
            print(f"| {row['name']} | {shown(row['value'], row['unit'])} | {row['beside'] or ''} |")
