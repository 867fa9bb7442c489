"""What every cache owes the queries that ask it."""

from __future__ import annotations

import threading

import pytest

from nemeton.plugins import type_names
from nemeton.spi.cache import Cache, NamedKey


def key(name: str, namespace: str = "segment") -> NamedKey:
    """A key of the namespace."""
    return NamedKey(namespace, name.encode())


class CacheSuite:
    """Subclass it, and override the fixture. The cache has room for a few kilobytes at least, and is empty.

    `keeps`: whether what was put may be expected to be there, as long as nothing else is put.
    """

    keeps: bool = True

    @pytest.fixture
    def cache(self) -> Cache:
        """The cache that is tested."""
        raise NotImplementedError("override the fixture `cache`")

    def test_it_can_be_named_in_properties(self, cache: Cache) -> None:
        """By its type name."""
        assert type_names(type(cache)), "the class needs a type name: @json_type"

    def test_what_was_not_put_is_not_there(self, cache: Cache) -> None:
        """None, and nothing among many."""
        assert cache.get(key("a")) is None
        assert dict(cache.get_bulk([key("a"), key("b")])) == {}

    @pytest.mark.parametrize("value", [b"", b"x", bytes(range(256)) * 4])
    def test_values_come_back_byte_by_byte(self, cache: Cache, value: bytes) -> None:
        """Empty ones too."""
        cache.put(key("a"), value)
        assert cache.get(key("a")) == (value if self.keeps else None)

    def test_keys_of_any_bytes_and_namespaces_do_not_meet(self, cache: Cache) -> None:
        """A namespace and a key are two things, not one text."""
        names = [NamedKey("a", b"bc"), NamedKey("ab", b"c"), NamedKey("a", b"\x00\xff\n"), NamedKey("ä/%", b"bc")]
        for number, name in enumerate(names):
            cache.put(name, str(number).encode())
        expected = {name: str(number).encode() for number, name in enumerate(names)} if self.keeps else {}
        assert dict(cache.get_bulk(names)) == expected

    def test_the_last_value_counts(self, cache: Cache) -> None:
        """A stale one would be a wrong answer."""
        cache.put(key("a"), b"old")
        cache.put(key("a"), b"new")
        assert cache.get(key("a")) in ((b"new",) if self.keeps else (None,))

    def test_closing_a_namespace_leaves_the_others(self, cache: Cache) -> None:
        """Of the closed one, values may stay or go."""
        cache.put(key("a", "closed"), b"x")
        cache.put(key("a", "open"), b"y")
        cache.close_namespace("closed")
        assert cache.get(key("a", "closed")) in (None, b"x")
        assert cache.get(key("a", "open")) == (b"y" if self.keeps else None)

    def test_hits_and_misses_are_counted(self, cache: Cache) -> None:
        """Since the start."""
        before = cache.stats()
        cache.put(key("a"), b"x")
        cache.get(key("a"))
        cache.get(key("b"))
        after = cache.stats()
        if self.keeps:
            assert (after.hits - before.hits, after.misses - before.misses) == (1, 1)
        assert after.size_in_bytes >= 0

    def test_many_threads_get_what_was_put(self, cache: Cache) -> None:
        """Or nothing; never another's value."""
        wrong: list[tuple[NamedKey, bytes | None]] = []

        def work(number: int) -> None:
            for step in range(200):
                name = key(str((number * 7 + step) % 20))
                cache.put(name, name.key)
                found = cache.get(name)
                if found not in (None, name.key):
                    wrong.append((name, found))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not wrong
        cache.close()
