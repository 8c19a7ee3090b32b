"""Models from recipes: built as written, measured, and refused in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from glissando.cli import app
from glissando.errors import ModelError, RecipeError
from glissando.nn import Model, build

RECIPE = """
input: {channels: 6, bins: 72, frames: 50}
model:
  trunk:
    - conv2d: {channels: 32, kernel: [5, 5], repeat: 3}
    - store: skip
    - residual2d: {channels: 32, kernel: 3, repeat: 2}
    - join: skip
  head: {conv2d: {channels: 1, kernel: 1, norm: none, activation: none}}
"""
EXAMPLE = torch.zeros(2, 6, 72, 50)


def test_a_recipe_becomes_what_it_says() -> None:
    spec = yaml.safe_load(RECIPE)["model"]
    model = build(spec, EXAMPLE)
    assert model(torch.randn(2, 6, 72, 31)).shape == (2, 1, 72, 31)
    assert [name for name, _ in model.labels] == ["trunk[0]", "trunk[1]", "trunk[2]", "trunk[3]", "head"]
    assert model.state_dict()["parts.head.0.0.weight"].shape == (1, 64, 1, 1)  # joined: 32 + 32
    variant = build({**spec, "trunk": {"separable2d": {"channels": 8}}}, EXAMPLE)
    assert variant.state_dict()["parts.head.0.0.weight"].shape == (1, 8, 1, 1)


def test_a_join_can_add() -> None:
    spec = {"part": [{"store": "skip"}, {"conv2d": {"channels": 6}}, {"join": {"name": "skip", "how": "add"}}]}
    model, x = build(spec, EXAMPLE).eval(), torch.randn(1, 6, 72, 9)
    torch.testing.assert_close(model(x), [*model.layers()][1](x) + x)


def test_seeds_decide_the_weights() -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(build(yaml.safe_load(RECIPE)["model"], EXAMPLE).state_dict()["parts.trunk.0.0.weight"])
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert weights[0].std() > 0.01  # real weights, not those of the rehearsal


def test_weights_survive_a_round_trip(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    spec = {"part": [{"tcn": {"channels": 8}}, {"transformer": {"positions": "relative"}}, {"rnn": {"units": 3}}]}
    first, second = (build(spec, torch.empty(1, 20, 4)).eval() for _ in range(2))
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x = torch.randn(1, 20, 4)
    assert torch.equal(first(x), second(x))


def test_what_bricks_use_by_name_is_given_at_the_call() -> None:
    spec = {"part": [{"conv2d": {"channels": 4}}, {"film": {"condition": "singer"}}]}
    model = build(spec, EXAMPLE, given={"singer": torch.empty(2, 3)})
    assert model(EXAMPLE, singer=torch.randn(2, 3)).shape == (2, 4, 72, 50)
    with pytest.raises(ModelError, match=r"the model uses 'singer'; call it as model\(x, singer=...\)"):
        model(EXAMPLE)


def rows(spec: dict, *shape: int) -> list[tuple[int, int]]:
    model = build({"part": [{name: arguments} for name, arguments in spec.items()]}, torch.empty(shape))
    assert all(not weight.is_meta for weight in model.parameters())
    return [(row.parameters, row.multiply_adds) for row in model.summary(torch.empty(shape))]


def test_the_summary_counts_as_on_paper() -> None:
    assert rows({"conv2d": {"channels": 8, "kernel": [3, 5], "norm": "none"}}, 1, 4, 20, 30) == [
        (4 * 8 * 15 + 8, 4 * 8 * 15 * 20 * 30)
    ]
    assert rows({"separable2d": {"channels": 8, "norm": "none"}}, 1, 4, 20, 30) == [
        (4 * 9 + 4 + 4 * 8 + 8, (4 * 9 + 4 * 8) * 20 * 30)
    ]
    assert rows({"linear": {"units": 7}}, 1, 20, 5) == [(5 * 7 + 7, 5 * 7 * 20)]
    assert rows({"rnn": {"units": 6}}, 1, 20, 5) == [(3 * 6 * (5 + 6 + 2), 3 * 6 * (5 + 6) * 20)]
    block = 16 * 12 * 16 * 30 + 2 * 30 * 30 * 16  # projections and wide layer; products and sums of attention
    assert rows({"transformer": {"depth": 2}}, 1, 30, 16)[0][1] == 2 * block


def test_a_summary_costs_no_memory_and_keeps_the_model() -> None:
    spec = {"part": [{"conv2d": {"channels": 64, "repeat": 4}}, "global_mean"]}
    model = build(spec, torch.empty(1, 1, 8, 10))
    huge = torch.empty(64, 1, 8, 1_000_000, device="meta")  # 131 GB of activations
    summary = model.summary(huge)
    assert summary[0].shape == (64, 64, 8, 1_000_000)
    assert model.training and not next(model.parameters()).is_meta


BOMB: list = ["lol"]
for _ in range(40):
    BOMB = [BOMB] * 9

HOSTILE = {
    "import string": ({"torch.nn.Conv2d": {"channels": 4}}, "part: there is no brick 'torch.nn.Conv2d'"),
    "call": ("os.system('true')", "part: there is no brick"),
    "dunder": ({"__class__": {}}, "part: there is no brick '__class__'"),
    "typo": ({"conv2": {"channels": 4}}, "did you mean 'conv2d'?"),
    "unknown argument": ({"conv2d": {"chanels": 4}}, "has no argument 'chanels'; did you mean 'channels'?"),
    "missing argument": ({"conv2d": {}}, r"part \(conv2d\).*channels"),
    "argument of the house": ({"conv2d": {"channels": 4, "inputs": [1, 1, 1, 1]}}, "'inputs' is inferred"),
    "many parameters": ({"conv2d": {"channels": 10**9}}, "makes 56,000,000,000 parameters; at most 500,000,000"),
    "beyond all": ({"conv2d": {"channels": 10**30}}, "channels must be at most 1,000,000,000"),
    "many layers": ({"conv2d": {"channels": 4, "repeat": 10**6}}, "repeat must be at most 200, got 1,000,000"),
    "many bricks": (["to_sequence"] * 10_001, "has 10,001 layers; give 1 to 200"),
    "many layers of many": ([{"convnext2d": {"channels": 6, "repeat": 200}}] * 9, "layers; at most 5,000"),
    "deep": ({"unet2d": {"depth": 10**6}}, "depth must be at most 10, got 1,000,000"),
    "padding": ({"unet2d": {"depth": 3, "stride": 1000}}, r"stride \*\* depth must be at most 4,096"),
    "word": ({"conv2d": {"channels": "many"}}, "channels must be a whole number, got 'many'"),
    "truth": ({"conv2d": {"channels": True}}, "channels must be a whole number, got True"),
    "half": ({"conv2d": {"channels": 4.5}}, "channels must be a whole number, got 4.5"),
    "negative": ({"conv2d": {"channels": -4}}, "channels must be at least 1, got -4"),
    "three": ({"conv2d": {"channels": 4, "kernel": [3, 3, 3]}}, r"kernel must be a whole number or a list of two"),
    "not a number": ({"conv2d": {"channels": 4, "dropout": float("nan")}}, "dropout must be at least 0 and below 1"),
    "infinite": ({"autopool": {"temperature": float("inf")}}, "temperature must be a number of at least 0, got inf"),
    "norm": ({"conv2d": {"channels": 4, "norm": "instance"}}, "norm must be one of batch, layer, none"),
    "activation": ({"conv2d": {"channels": 4, "activation": "eval"}}, "activation must be one of none, relu"),
    "flag": ({"autopool": {"split": "yes"}}, "split must be true or false, got 'yes'"),
    "groups": ({"conv2d": {"channels": 4, "groups": 4}}, r"part \(conv2d\).*divisible by groups"),
    "too short": ({"conv2d": {"channels": 4, "kernel": [99, 1], "padding": "valid"}}, r"can't take \[2, 6, 72, 50\]"),
    "map for a sequence": ({"rnn": {"units": 4}}, "takes a sequence .*, got .2, 6, 72, 50.; put to_sequence before"),
    "sequence for a map": (["to_sequence", {"conv2d": {"channels": 4}}], r"part\[1\] \(conv2d\).*put to_map before it"),
    "map for a layer": ({"linear": {"units": 4}}, "put to_sequence or flatten before it"),
    "heads": (["to_sequence", {"transformer": {"heads": 5}}], "heads must divide dim"),
    "unknown store": ([{"store": "skip"}, {"join": "skp"}], "nothing is stored under 'skp' before it; there are: skip"),
    "join before store": ([{"join": "skip"}, {"store": "skip"}], r"part\[0\] \(join\).*nothing is stored under 'skip'"),
    "unfit join": (
        [{"store": "skip"}, {"max_pool": {"bins": 2}}, {"join": "skip"}],
        r"part\[2\] \(join\): can't take .*can't concatenate \[2, 6, 36, 50\] and 'skip', which is \[2, 6, 72, 50\]",
    ),
    "stored twice": ([{"store": "skip"}, {"store": "skip"}], "something is stored under 'skip' already"),
    "unknown condition": ({"film": {"condition": "singer"}}, "nothing is stored under 'singer' before it"),
    "map as condition": ([{"store": "a"}, {"film": {"condition": "a"}}], "a condition is a vector"),
    "causal token": (
        ["to_sequence", {"transformer": {"causal": True, "output": "token"}}],
        "a causal class token would see nothing",
    ),
    "number": (7, "part: a brick is written as a name"),
    "list in a list": ([["conv2d"]], r"part\[0\]: a brick is written as a name"),
    "two names": ({"conv2d": {}, "linear": {}}, "part: a brick is written as a name"),
    "list of arguments": ({"conv2d": [4, 3]}, "write a brick as name:"),
    "nothing": ([], "has 0 layers"),
    "bomb": (BOMB, "a brick is written as a name"),
    "bomb as an argument": ({"conv2d": {"channels": BOMB}}, "channels must be a whole number"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_ends_in_one_sentence(case: str) -> None:
    spec, sentence = HOSTILE[case]
    begun = time.perf_counter()
    with pytest.raises(RecipeError, match=sentence) as caught:
        build({"part": spec}, EXAMPLE, where="file.yaml: model")
    said = str(caught.value)
    assert said.startswith("file.yaml: model.part") and "\n" not in said and len(said) < 400
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize("spec", [None, [], {}, "conv2d", {"keys": "flatten"}, {"a.b": "flatten"}, {3: "flatten"}])
def test_a_model_is_a_mapping_of_parts(spec: object) -> None:
    with pytest.raises(RecipeError, match="^model: "):
        build(spec, EXAMPLE)


def test_an_absurd_model_takes_no_memory() -> None:
    """In a process that may have 4 GB of addresses more than torch itself needs."""
    code = (
        "import resource, torch\n"
        "from glissando.errors import RecipeError\n"
        "from glissando.nn import build\n"
        "torch.ones(2, 2) @ torch.ones(2, 2)\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, size + 2**30))\n"
        "for name in ('conv2d', 'unet2d', 'convnext2d'):\n"
        "    try: build({'part': {name: {'channels': 10**7}}}, torch.empty(1, 6, 72, 50))\n"
        "    except RecipeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    assert len(said) == 3 and all("parameters; at most 500,000,000" in line for line in said), done.stderr


def show(path: Path) -> str:
    done = CliRunner().invoke(app, ["model", "show", str(path)], env={"COLUMNS": "160", "TERMINAL_WIDTH": "160"})
    if isinstance(done.exception, RecipeError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


def test_model_show_prints_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    lines = [" ".join(line.split()) for line in show(path).splitlines()]
    weights = 6 * 32 * 25 + 2 * 32 * 32 * 25 + 3 * 2 * 32
    assert f"trunk[0] conv2d 32 x 72 x 50 {weights:,} {(6 * 32 + 2 * 32 * 32) * 25 * 3600:,}" in lines
    assert "head conv2d 1 x 72 x 50 65 230,400" in lines
    assert lines[-1].startswith("all ")


def test_model_show_takes_waveforms_sequences_and_conditions(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("input: {samples: 8000}\nmodel: {front: {sincnet: {sample_rate: 8000, stride: 80}}}")
    assert "100 x 80" in show(path)
    path.write_text(
        "input: {frames: 100, dim: 80}\ngiven: {singer: {dim: 4}}\n"
        "model: {front: [{linear: {units: 16}}, {film: {condition: singer}}]}"
    )
    assert "100 x 16" in show(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model: !!python/object/apply:os.system ['true']\ninput: {samples: 1}", "is no plain YAML"),
        ("model: {a: flatten}\ninput: {samples: -1}", "input: sizes are whole numbers above 0"),
        ("model: {a: flatten}\ninput: {samples: 10000000000000}", "of at most 100,000,000 values"),
        ("model: {a: flatten}\ninput: 5", "input: write {channels, bins, frames} or {frames, dim}"),
        ("model: {a: nothing}\ninput: {samples: 5}", "model.a: there is no brick 'nothing'"),
        ("model: {a: flatten}", "data: is missing"),
        ("[", "is no plain YAML"),
    ],
)
def test_model_show_refuses_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    said = show(path)
    assert said.startswith(str(path)) and sentence in said and "\n" not in said


def test_model_show_names_a_missing_file(tmp_path: Path) -> None:
    assert "can't be read (No such file or directory)" in show(tmp_path / "none.yaml")


def test_a_model_is_a_module() -> None:
    assert isinstance(build({"a": "flatten"}, EXAMPLE), Model)
