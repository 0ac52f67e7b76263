"""The items that are measured on a GPU: which, in which order, and which of them a CPU skips."""

import pytest
import torch

from benchmarks.perf.gpu.items import (
    KINDS,
    MODEL,
    OTHER_MODELS,
    REPRODUCED_MODELS,
    Item,
    cpu_items,
    find_skip_reason,
    gpu_items,
    items,
)
from benchmarks.perf.gpu.worker import MEASURES
from benchmarks.presets import TABLE1

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def test_the_most_important_items_come_first():
    found = items(CUDA)
    assert [(item.kind, item.engine) for item in found[:2]] == [("steps", "graph"), ("steps", "compiled")]
    assert {item.model for item in found[:2]} == {"glf"}
    order = [
        found.index(item)
        for item in (
            Item("operations"),
            *(Item("runs", runs=runs) for runs in (1, 2, 4, 8, 16)),
            *(Item("reproducibility", model) for model in ("glf", "wae-mmd", "glann-mse")),
            Item("determinism-cost"),
            Item("steps", OTHER_MODELS[0]),
            Item("steps", precision="bf16"),
            Item("steps", dataset="celeba"),
        )
    ]
    assert order == sorted(order)


def test_all_models_of_table_1_are_measured_by_both_engines():
    assert sorted((MODEL, *OTHER_MODELS)) == sorted(TABLE1)
    for engine in ("graph", "compiled"):
        measured = {item.model for item in gpu_items() if (item.kind, item.engine) == ("steps", engine)}
        assert measured == {*TABLE1}
    assert {item.model for item in gpu_items() if item.runs == 8} == {*TABLE1}


def test_each_item_has_its_own_name_and_each_device_its_own_records():
    found = items(CPU)
    assert len({item.name for item in found}) == len(found)
    assert found[0].record_name("cuda: A") != found[0].record_name("cuda: B")
    assert all(item.record_name("cuda: A").endswith(".json") for item in found)


def test_a_cpu_skips_all_items_of_a_gpu_and_a_gpu_none():
    for item in gpu_items():
        assert find_skip_reason(item, CUDA) == ""
        assert "GPU" in find_skip_reason(item, CPU)
    assert all(find_skip_reason(item, CPU) == "" for item in cpu_items())
    assert {item.model for item in cpu_items() if item.kind == "steps"} == {*TABLE1}
    assert {item.model for item in cpu_items() if item.kind == "reproducibility"} == {*REPRODUCED_MODELS}


@pytest.mark.parametrize("device", [CUDA, CPU], ids=str)
def test_every_kind_of_item_can_be_measured(device):
    assert {item.kind for item in items(device)} == {*KINDS} == {*MEASURES}
