"""One harness judges all: episodes, statistics, tables, figures and the report.

The way from episodes to files: :func:`~edgegym.evaluation.harness.run_episodes` ->
:meth:`PolicyScores.of() <edgegym.evaluation.scores.PolicyScores.of>` ->
:meth:`Comparison.of() <edgegym.evaluation.comparison.Comparison.of>` ->
:func:`~edgegym.evaluation.tables.comparison_table`, :func:`~edgegym.evaluation.results.write_results`,
:func:`~edgegym.evaluation.report.write_report`.
"""
