"""What every type of query owes Brokers and data servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nemeton.json import Json
from nemeton.spi.query import Query
from nemeton.testkit.isolation import json_knowing
from nemeton.testkit.suites.aggregator import NUM_ROWS, Columns, sample_columns


class QueryTypeSuite:
    """Subclass it, and override the fixture `query`, and `expected` to say its answer.

    The query reads columns of `sample_columns` (or of the fixture `columns`, overridden). ``ordered`` False is for
    answers whose objects come in any order.
    """

    ordered = True

    @pytest.fixture
    def query(self) -> Any:
        """The query that is tested, over all time."""
        raise NotImplementedError("override the fixture `query`")

    @pytest.fixture
    def columns(self) -> Columns:
        """The rows: name → type and values."""
        return sample_columns()

    def expected(self, rows: list[dict[str, Any]]) -> list[Any]:
        """The result objects for these rows, computed in the plain way."""
        raise NotImplementedError("override `expected`")

    # ---- helpers

    def partials(self, query: Any, columns: Columns, cuts: Sequence[int]) -> list[Any]:
        """The partial answers of segments that the rows are cut into at these places."""
        from nemeton.query.engine import QueryEngine
        from nemeton.query.inline import rows_segment

        out = []
        for start, stop in zip([0, *cuts], [*cuts, NUM_ROWS], strict=True):
            part = {name: (kind, values[start:stop]) for name, (kind, values) in columns.items()}
            out.append(QueryEngine().run_segment(query, rows_segment(part, stop - start)))
        return out

    def answer(self, query: Any, partials: Sequence[Any]) -> Any:
        """What the client gets."""
        from nemeton.query.engine import QueryEngine

        engine, json = QueryEngine(), Json()
        rows = json.loads(json.dumps(list(engine.finalise(query, engine.merge(query, partials)))))
        return rows if self.ordered else sorted(rows, key=json.dumps)

    def same(self, found: Any, wanted: Any) -> None:
        """Equal, but for the rounding of doubles."""
        assert _rounded(found) == _rounded(wanted)

    # ---- promises

    def test_answers_are_right(self, query: Any, columns: Columns) -> None:
        """As the client sees them."""
        rows = zip(*(values for _, values in columns.values()), strict=True)
        wanted = self.expected([dict(zip(columns, row, strict=True)) for row in rows])
        wanted = wanted if self.ordered else sorted(wanted, key=Json().dumps)
        self.same(self.answer(query, self.partials(query, columns, [])), wanted)

    @pytest.mark.parametrize("cuts", [[1], [100, 350], [0, 499]])
    def test_segments_may_be_cut_anywhere_and_come_in_any_order(
        self, query: Any, columns: Columns, cuts: list[int]
    ) -> None:
        """A segment without rows among them."""
        whole = self.answer(query, self.partials(query, columns, []))
        self.same(self.answer(query, self.partials(query, columns, cuts)), whole)
        if not self.ordered:
            self.same(self.answer(query, self.partials(query, columns, cuts)[::-1]), whole)

    def test_parts_that_are_merged_merge_again(self, query: Any, columns: Columns) -> None:
        """Each server merges its segments, and the Broker what servers say."""
        from nemeton.query.engine import QueryEngine

        first, *rest = self.partials(query, columns, [100, 350])
        merged = QueryEngine().merge(query, rest)
        whole = self.answer(query, self.partials(query, columns, []))
        self.same(self.answer(query, [first, merged]), whole)

    def test_the_wire(self, query: Any, columns: Columns) -> None:
        """Partial answers go to the Broker as JSON and lose nothing."""
        from nemeton.query.engine import QueryEngine

        engine, json = QueryEngine(), Json()
        sent = [
            engine.from_wire(query, json.loads(json.dumps(list(engine.to_wire(query, engine.merge(query, [part]))))))
            for part in self.partials(query, columns, [100, 350])
        ]
        self.same(self.answer(query, sent), self.answer(query, self.partials(query, columns, [])))

    def test_nothing_to_read(self, query: Any) -> None:
        """A data source without segments has an answer too."""
        self.same(self.answer(query, []), self.expected([]))

    def test_it_asks_whether_to_go_on(self, query: Any, columns: Columns) -> None:
        """Between blocks, so that it can be cancelled and times out."""
        from nemeton.query.engine import Scope, tool_chest
        from nemeton.query.inline import rows_segment

        class Stop(Exception):  # noqa: N818
            pass

        class Control:
            def check(self) -> None:
                raise Stop

        chest, control = tool_chest(query), Control()

        def run() -> None:
            segment = rows_segment(columns, NUM_ROWS)
            partial = chest.run_segment(query, segment, Scope(None, query.interval_list), control)
            list(chest.finalise(query, chest.merge(query, [partial], control)))

        with pytest.raises(Stop):
            run()

    def test_its_json_survives(self, query: Any, nemeton_extensions: Any) -> None:
        """Brokers pass it on to data servers."""
        json = json_knowing("query_types", query, nemeton_extensions)
        assert json.loads(json.dumps(query), Query) == query


def _rounded(value: Any) -> Any:
    """Doubles to nine digits, wherever they are."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return f"{value:.9g}" if isinstance(value, float) else value
