"""The post-aggregators of quantiles sketches under their names."""

from __future__ import annotations

from attrs import frozen

from nemeton.plugins import json_type
from nemeton_datasketches.quantiles import DOUBLES, KLL_DOUBLES, KLL_FLOATS
from nemeton_datasketches.quantiles_posts import ToCDF, ToHistogram, ToQuantile, ToQuantiles, ToRank, ToText


@json_type("quantilesDoublesSketchToQuantile")
@frozen
class DoublesSketchToQuantilePostAggregator(ToQuantile):
    """The value at a fraction."""

    sketch_kind = DOUBLES


@json_type("quantilesDoublesSketchToQuantiles")
@frozen
class DoublesSketchToQuantilesPostAggregator(ToQuantiles):
    """The values at fractions."""

    sketch_kind = DOUBLES


@json_type("quantilesDoublesSketchToRank")
@frozen
class DoublesSketchToRankPostAggregator(ToRank):
    """The fraction of values up to one."""

    sketch_kind = DOUBLES


@json_type("quantilesDoublesSketchToCDF")
@frozen
class DoublesSketchToCDFPostAggregator(ToCDF):
    """The fractions up to split points."""

    sketch_kind = DOUBLES


@json_type("quantilesDoublesSketchToHistogram")
@frozen
class DoublesSketchToHistogramPostAggregator(ToHistogram):
    """Counts between split points."""

    sketch_kind = DOUBLES


@json_type("quantilesDoublesSketchToString")
@frozen
class DoublesSketchToStringPostAggregator(ToText):
    """A summary."""

    sketch_kind = DOUBLES


@json_type("KllDoublesSketchToQuantile")
@frozen
class KllDoublesSketchToQuantilePostAggregator(ToQuantile):
    """The value at a fraction."""

    sketch_kind = KLL_DOUBLES


@json_type("KllDoublesSketchToQuantiles")
@frozen
class KllDoublesSketchToQuantilesPostAggregator(ToQuantiles):
    """The values at fractions."""

    sketch_kind = KLL_DOUBLES


@json_type("KllDoublesSketchToRank")
@frozen
class KllDoublesSketchToRankPostAggregator(ToRank):
    """The fraction of values up to one."""

    sketch_kind = KLL_DOUBLES


@json_type("KllDoublesSketchToCDF")
@frozen
class KllDoublesSketchToCDFPostAggregator(ToCDF):
    """The fractions up to split points."""

    sketch_kind = KLL_DOUBLES


@json_type("KllDoublesSketchToHistogram")
@frozen
class KllDoublesSketchToHistogramPostAggregator(ToHistogram):
    """Counts between split points."""

    sketch_kind = KLL_DOUBLES


@json_type("KllDoublesSketchToString")
@frozen
class KllDoublesSketchToStringPostAggregator(ToText):
    """A summary."""

    sketch_kind = KLL_DOUBLES


@json_type("KllFloatsSketchToQuantile")
@frozen
class KllFloatsSketchToQuantilePostAggregator(ToQuantile):
    """The value at a fraction."""

    sketch_kind = KLL_FLOATS


@json_type("KllFloatsSketchToQuantiles")
@frozen
class KllFloatsSketchToQuantilesPostAggregator(ToQuantiles):
    """The values at fractions."""

    sketch_kind = KLL_FLOATS


@json_type("KllFloatsSketchToRank")
@frozen
class KllFloatsSketchToRankPostAggregator(ToRank):
    """The fraction of values up to one."""

    sketch_kind = KLL_FLOATS


@json_type("KllFloatsSketchToCDF")
@frozen
class KllFloatsSketchToCDFPostAggregator(ToCDF):
    """The fractions up to split points."""

    sketch_kind = KLL_FLOATS


@json_type("KllFloatsSketchToHistogram")
@frozen
class KllFloatsSketchToHistogramPostAggregator(ToHistogram):
    """Counts between split points."""

    sketch_kind = KLL_FLOATS


@json_type("KllFloatsSketchToString")
@frozen
class KllFloatsSketchToStringPostAggregator(ToText):
    """A summary."""

    sketch_kind = KLL_FLOATS
