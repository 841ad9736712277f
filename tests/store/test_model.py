"""A store against a model that is a plain list of rows, through random histories."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from knnclip.store import Store

from .samples import DIM, FINGERPRINT, instance, units

NAMES = ["a", "b", "c", "<b>'; --", "🚦"]
QUERIES = units(5, 3)


class StoreMachine(RuleBasedStateMachine):
    """Rows are dictionaries; classes map a name to its synonyms and whether it was added on purpose."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.store = Store.create(self.path, FINGERPRINT)
        self.rows: dict[int, dict] = {}
        self.classes: dict[str, dict] = {}
        self.sources: dict[int, set] = {}

    def teardown(self):
        if hasattr(self, "store"):
            assert self.store.verify() == []
            self.store.close()
            self.folder.cleanup()

    def owner(self, name):
        if name in self.classes:
            return name
        return next((known for known, facts in self.classes.items() if name in facts["synonyms"]), None)

    def take(self, name):
        for facts in self.classes.values():
            facts["synonyms"] = [synonym for synonym in facts["synonyms"] if synonym != name]

    @rule(
        seeds=st.lists(st.tuples(st.integers(0, 25), st.sampled_from(NAMES), st.integers(0, 3)), max_size=6),
        new_source=st.booleans(),
    )
    def add(self, seeds, new_source):
        if new_source or not self.sources:
            self.sources[self.store.begin_source("teach", "x")] = set()
        source = max(self.sources)
        # Equal vectors for neighbouring seeds: ties between different rows.
        given = [
            instance(seed, name, f"{picture}.png", embedding=units(seed // 3, 1)[0]) for seed, name, picture in seeds
        ]
        ids = self.store.add(given, source)
        for row_id, row, content in zip(ids, given, seeds, strict=True):
            known = next((i for i, r in self.rows.items() if (r["source"], r["content"]) == (source, content)), None)
            if known is not None:
                assert row_id == known
                continue
            assert row_id not in self.rows
            name = self.owner(row.class_name) or row.class_name
            self.classes.setdefault(name, {"synonyms": [], "declared": False})
            self.rows[row_id] = {"name": name, "row": row, "source": source, "content": content}

    @rule(name=st.sampled_from(NAMES))
    def declare(self, name):
        if name not in self.classes:
            self.take(name)
            self.store.add_class(name)
            self.classes[name] = {"synonyms": [], "declared": True}

    @precondition(lambda self: self.classes)
    @rule(data=st.data(), new=st.sampled_from(NAMES))
    def rename(self, data, new):
        old = data.draw(st.sampled_from(sorted(self.classes)))
        if new in self.classes and new != old:
            return
        self.store.rename(old, new)
        self.take(new)
        facts = self.classes.pop(old)
        if old != new:
            facts["synonyms"].append(old)
        self.classes[new] = facts
        for row in self.rows.values():
            row["name"] = new if row["name"] == old else row["name"]

    @precondition(lambda self: len(self.classes) >= 2)
    @rule(data=st.data())
    def merge(self, data):
        into, *parts = data.draw(st.lists(st.sampled_from(sorted(self.classes)), min_size=2, max_size=3, unique=True))
        moved = [row for row in self.rows.values() if row["name"] in parts]
        assert self.store.merge(parts, into) == len(moved)
        for row in moved:
            row["name"] = into
        for part in parts:
            facts = self.classes.pop(part)
            self.classes[into]["synonyms"] += [part, *facts["synonyms"]]
            self.classes[into]["declared"] |= facts["declared"]

    def removed(self, gone):
        touched = {self.rows.pop(row_id)["name"] for row_id in gone}
        left = {row["name"] for row in self.rows.values()}
        for name in touched - left:
            if name in self.classes and not self.classes[name]["declared"]:
                del self.classes[name]

    @precondition(lambda self: self.classes)
    @rule(data=st.data())
    def forget_class(self, data):
        name = data.draw(st.sampled_from(sorted(self.classes)))
        gone = [row_id for row_id, row in self.rows.items() if row["name"] == name]
        assert self.store.forget(class_name=name) == len(gone)
        del self.classes[name]
        self.removed(gone)

    @precondition(lambda self: self.sources)
    @rule(data=st.data())
    def forget_source(self, data):
        source = data.draw(st.sampled_from(sorted(self.sources)))
        gone = [row_id for row_id, row in self.rows.items() if row["source"] == source]
        assert self.store.forget(source_id=source) == len(gone)
        del self.sources[source]
        self.removed(gone)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def forget_rows(self, data):
        gone = data.draw(st.lists(st.sampled_from(sorted(self.rows)), min_size=1, max_size=4, unique=True))
        assert self.store.forget(instance_ids=gone) == len(gone)
        self.removed(gone)

    @rule()
    def compact(self):
        self.store.compact()

    @rule(write_cache=st.booleans())
    def reopen(self, write_cache):
        if write_cache:
            self.store._newest_mirror().write_cache(self.store._database)
        self.store.close()
        self.store = Store.open(self.path)

    @invariant()
    def the_vocabulary_agrees(self):
        if hasattr(self, "store"):
            found = {info.name: set(info.synonyms) for info in self.store.vocabulary()}
            assert found == {name: set(facts["synonyms"]) for name, facts in self.classes.items()}

    @rule(k=st.integers(1, 8))
    def search_and_count(self, k):
        found = self.store.search(QUERIES, k)
        vectors = {i: row["row"].embedding.astype(np.float16).astype(np.float64) for i, row in self.rows.items()}
        for query, ids, similarity in zip(
            QUERIES.astype(np.float16).astype(np.float64), found.instance_id, found.similarity, strict=True
        ):
            exact = {row_id: float(vector @ query) for row_id, vector in vectors.items()}
            expected = sorted(exact.values(), reverse=True)[:k]
            known = [row_id for row_id in ids.tolist() if row_id >= 0]
            assert [exact[row_id] for row_id in known] == expected
            assert similarity[: len(known)].tolist() == np.minimum(expected, 1).astype(np.float32).tolist()
            assert len(set(known)) == len(known) == min(k, len(self.rows))
        evidence = self.store.evidence(found.instance_id[found.valid])
        assert all(self.rows[row_id]["name"] == shown.class_name for row_id, shown in evidence.items())
        assert all(self.rows[row_id]["row"].image.ref == shown.image_ref for row_id, shown in evidence.items())
        with self.store.view() as view:
            vocabulary, census = view.vocabulary, view.census
        for info, rows, images in zip(vocabulary, census.instances, census.images, strict=True):
            of_class = [row["row"].image.ref for row in self.rows.values() if row["name"] == info.name]
            assert (rows, images) == (len(of_class), len(set(of_class)))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
assert DIM == 8
