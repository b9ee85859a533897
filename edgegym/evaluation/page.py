"""The frame of the HTML report: its style and its words on how to read the numbers. No outside resources."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --muted: #5b6470; --line: #d9dde3; --paper: #ffffff; --card: #f6f7f9;
  --learned: #0072b2; --loss: #b84a00; --gain: #00694b; --open: #6b5900; --grey1: #4d4d4d; --grey2: #6b6b6b;
  --grey3: #858585; --grid: #e3e6ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --muted: #9aa4b0; --line: #3a414b; --paper: #14171b;
  --card: #1d2127; --learned: #56b4e9; --loss: #f0904a; --gain: #4cc9a0; --open: #d8bf4a; --grey1: #c4c8cd;
  --grey2: #a6abb2; --grey3: #8b9199; --grid: #2b3138; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, li, dd { max-width: 46rem; }
.verdicts { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
.verdicts li { max-width: none; background: var(--card); border-left: .3rem solid var(--open); border-radius: .25rem;
  padding: .6rem .9rem; overflow-wrap: anywhere; }
.verdicts .better { border-color: var(--gain); }
.verdicts .worse { border-color: var(--loss); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; min-width: 100%; }
caption { text-align: left; color: var(--muted); padding-bottom: .5rem; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; vertical-align: top; }
th { vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child, .words { text-align: left; }
td:first-child { position: sticky; left: 0; background: var(--paper); white-space: normal; min-width: 8rem;
  overflow-wrap: anywhere; }
td.words { white-space: normal; min-width: 6rem; }
.wide + .wide { margin-top: 2rem; }
tr.first td, tr.first th { border-top: 2px solid var(--line); }
tr.learned td { color: var(--learned); font-weight: 600; }
tr.bound td { color: var(--muted); font-style: italic; }
tr td.better { color: var(--gain); }
tr td.worse { color: var(--loss); }
tr td.open { color: var(--open); }
td small { display: block; color: var(--muted); font-weight: 400; font-size: .9em; }
tr.learned small { color: inherit; opacity: .85; }
figure { margin: 1.5rem 0 2.25rem; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; min-width: 34rem; }
figcaption { color: var(--muted); max-width: 46rem; margin-top: .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
dl.provenance dd { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85rem; white-space: pre-wrap; }
@media (max-width: 40rem) { main { padding: 1.25rem .9rem 3rem; } dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .7rem; } }
@media print { :root { color-scheme: light; } main { max-width: none; padding: 0; } .wide { overflow: visible; }
  table { font-size: .7rem; } th, td { padding: .2rem .35rem; } tr { break-inside: avoid; }
  figure svg { min-width: 0; } td:first-child { position: static; } }
"""

READING = """
<dl>
<dt>Mean</dt><dd>The plain mean over all runs and episodes. It ranks the policies and decides which heuristic is the
best one.</dd>
<dt>Interquartile mean</dt><dd>The mean of the middle half of all scores (every run on every episode): a quarter of
them, the best and the worst alike, is left out at either end, so that a few odd episodes do not decide.</dd>
<dt>[low, high]</dt><dd>A {level:g} % bootstrap interval: {resamples:,} times the runs (for a policy with a single run:
the episodes) are drawn anew, with repetition, and the middle {level:g} % of the results is shown. Each run is one
training from another seed. A single run of a single episode has no interval. Intervals of a trained policy and of a
heuristic thus speak of different things; to compare the two, look at the differences.</dd>
<dt>Minus best heuristic</dt><dd>The difference of the means on the same episodes, so that easy and hard episodes
cancel; its interval varies runs and episodes together, whichever are several. An interval without 0 shows a
difference; its sign, with the arrow of the metric, says for whom.</dd>
<dt>P</dt><dd>The probability of improvement: that a run of the policy beats the heuristic on an episode, a tie counting
one half: 1 is always, 0.5 is a draw, 0 is never. &ldquo;Lowest P&rdquo; is that for the heuristic that is hardest to
beat.</dd>
<dt>Gap closed</dt><dd>How far the policy goes from the best heuristic (0 %) to the bound (100 %), which nothing can
exceed and which may be out of reach without knowing the future. Below 0 % the policy is worse than the
heuristic.</dd>
<dt>Better</dt><dd>A learned policy is called better than every heuristic only if the interval of its difference to
each of them leaves out 0 and its P is at least 0.95 against each. It is called worse as soon as it is shown to be
worse than one. Marks in the table of the other metrics are not corrected for the number of metrics.</dd>
</dl>
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<section aria-label="Result">
{verdicts}
</section>
<section>
<h2>Scores</h2>
{tables}
{losses}
{notes}
</section>
{figures}
<section>
<h2>How to read this</h2>
{reading}
</section>
<section>
<h2>Where these numbers come from</h2>
<dl class="provenance">
{provenance}
</dl>
</section>
</main>
</body>
</html>
"""
