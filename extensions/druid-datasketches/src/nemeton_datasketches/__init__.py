"""The extension ``druid-datasketches``: Apache DataSketches as aggregators, post-aggregators and complex types.

Loading it imports neither numpy nor the library; that happens with the first query that names a sketch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType

NEMETON_API = ">=1.0,<2"
_HERE = "nemeton_datasketches"
# The names stand in calls of `lazy`, so that they are found without loading the extension.


@hookimpl
def aggregators() -> list[LazyType]:
    """Distinct counts (theta, HLL), tuples, and quantiles (classic, KLL)."""
    return [
        lazy("thetaSketch", f"{_HERE}.theta_aggregators:SketchMergeAggregatorFactory", "sketchMerge"),
        lazy("sketchBuild", f"{_HERE}.theta_aggregators:OldSketchBuildAggregatorFactory"),
        lazy("HLLSketchBuild", f"{_HERE}.hll_aggregators:HllSketchBuildAggregatorFactory"),
        lazy("HLLSketchMerge", f"{_HERE}.hll_aggregators:HllSketchMergeAggregatorFactory", "HLLSketch"),
        lazy("arrayOfDoublesSketch", f"{_HERE}.tuple_aggregators:ArrayOfDoublesSketchAggregatorFactory"),
        lazy("quantilesDoublesSketch", f"{_HERE}.quantiles_aggregators:DoublesSketchAggregatorFactory"),
        lazy("quantilesDoublesSketchMerge", f"{_HERE}.quantiles_aggregators:DoublesSketchMergeAggregatorFactory"),
        lazy("KllDoublesSketch", f"{_HERE}.quantiles_aggregators:KllDoublesSketchAggregatorFactory"),
        lazy("KllDoublesSketchMerge", f"{_HERE}.quantiles_aggregators:KllDoublesSketchMergeAggregatorFactory"),
        lazy("KllFloatsSketch", f"{_HERE}.quantiles_aggregators:KllFloatsSketchAggregatorFactory"),
        lazy("KllFloatsSketchMerge", f"{_HERE}.quantiles_aggregators:KllFloatsSketchMergeAggregatorFactory"),
    ]


@hookimpl
def post_aggregators() -> list[LazyType]:
    """What can be made of the sketches."""
    return [
        lazy("thetaSketchEstimate", f"{_HERE}.theta_posts:SketchEstimatePostAggregator", "sketchEstimate"),
        lazy("thetaSketchSetOp", f"{_HERE}.theta_posts:SketchSetPostAggregator", "sketchSetOper"),
        lazy("thetaSketchConstant", f"{_HERE}.theta_posts:SketchConstantPostAggregator"),
        lazy("thetaSketchToString", f"{_HERE}.theta_posts:SketchToStringPostAggregator"),
        lazy("HLLSketchEstimate", f"{_HERE}.hll_posts:HllSketchToEstimatePostAggregator"),
        lazy("HLLSketchEstimateWithBounds", f"{_HERE}.hll_posts:HllSketchToEstimateWithBoundsPostAggregator"),
        lazy("HLLSketchUnion", f"{_HERE}.hll_posts:HllSketchUnionPostAggregator"),
        lazy("HLLSketchToString", f"{_HERE}.hll_posts:HllSketchToStringPostAggregator"),
        lazy("quantilesDoublesSketchToQuantile", f"{_HERE}.quantiles_types:DoublesSketchToQuantilePostAggregator"),
        lazy("quantilesDoublesSketchToQuantiles", f"{_HERE}.quantiles_types:DoublesSketchToQuantilesPostAggregator"),
        lazy("quantilesDoublesSketchToRank", f"{_HERE}.quantiles_types:DoublesSketchToRankPostAggregator"),
        lazy("quantilesDoublesSketchToCDF", f"{_HERE}.quantiles_types:DoublesSketchToCDFPostAggregator"),
        lazy("quantilesDoublesSketchToHistogram", f"{_HERE}.quantiles_types:DoublesSketchToHistogramPostAggregator"),
        lazy("quantilesDoublesSketchToString", f"{_HERE}.quantiles_types:DoublesSketchToStringPostAggregator"),
        lazy("KllDoublesSketchToQuantile", f"{_HERE}.quantiles_types:KllDoublesSketchToQuantilePostAggregator"),
        lazy("KllDoublesSketchToQuantiles", f"{_HERE}.quantiles_types:KllDoublesSketchToQuantilesPostAggregator"),
        lazy("KllDoublesSketchToRank", f"{_HERE}.quantiles_types:KllDoublesSketchToRankPostAggregator"),
        lazy("KllDoublesSketchToCDF", f"{_HERE}.quantiles_types:KllDoublesSketchToCDFPostAggregator"),
        lazy("KllDoublesSketchToHistogram", f"{_HERE}.quantiles_types:KllDoublesSketchToHistogramPostAggregator"),
        lazy("KllDoublesSketchToString", f"{_HERE}.quantiles_types:KllDoublesSketchToStringPostAggregator"),
        lazy("KllFloatsSketchToQuantile", f"{_HERE}.quantiles_types:KllFloatsSketchToQuantilePostAggregator"),
        lazy("KllFloatsSketchToQuantiles", f"{_HERE}.quantiles_types:KllFloatsSketchToQuantilesPostAggregator"),
        lazy("KllFloatsSketchToRank", f"{_HERE}.quantiles_types:KllFloatsSketchToRankPostAggregator"),
        lazy("KllFloatsSketchToCDF", f"{_HERE}.quantiles_types:KllFloatsSketchToCDFPostAggregator"),
        lazy("KllFloatsSketchToHistogram", f"{_HERE}.quantiles_types:KllFloatsSketchToHistogramPostAggregator"),
        lazy("KllFloatsSketchToString", f"{_HERE}.quantiles_types:KllFloatsSketchToStringPostAggregator"),
        lazy("arrayOfDoublesSketchToEstimate", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToEstimatePostAggregator"),
        lazy(
            "arrayOfDoublesSketchToEstimateAndBounds",
            f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToEstimateAndBoundsPostAggregator",
        ),
        lazy("arrayOfDoublesSketchToNumEntries", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToNumEntriesPostAggregator"),
        lazy("arrayOfDoublesSketchToMeans", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToMeansPostAggregator"),
        lazy("arrayOfDoublesSketchToVariances", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToVariancesPostAggregator"),
        lazy(
            "arrayOfDoublesSketchToMetricsSumEstimate",
            f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToMetricsSumEstimatePostAggregator",
        ),
        lazy(
            "arrayOfDoublesSketchToQuantilesSketch",
            f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToQuantilesSketchPostAggregator",
        ),
        lazy("arrayOfDoublesSketchToString", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToStringPostAggregator"),
        lazy(
            "arrayOfDoublesSketchToBase64String",
            f"{_HERE}.tuple_posts:ArrayOfDoublesSketchToBase64StringPostAggregator",
        ),
        lazy("arrayOfDoublesSketchConstant", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchConstantPostAggregator"),
        lazy("arrayOfDoublesSketchSetOp", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchSetOpPostAggregator"),
        lazy("arrayOfDoublesSketchTTest", f"{_HERE}.tuple_posts:ArrayOfDoublesSketchTTestPostAggregator"),
    ]


@hookimpl
def expression_functions() -> list[LazyType]:
    """Estimates of a column of sketches."""
    return [
        lazy("hll_sketch_estimate", f"{_HERE}.expressions:HllSketchEstimateFunction"),
        lazy("hll_sketch_estimate_with_error_bounds", f"{_HERE}.expressions:HllSketchEstimateWithErrorBoundsFunction"),
        lazy("theta_sketch_estimate", f"{_HERE}.expressions:ThetaSketchEstimateFunction"),
        lazy(
            "theta_sketch_estimate_with_error_bounds", f"{_HERE}.expressions:ThetaSketchEstimateWithErrorBoundsFunction"
        ),
    ]
